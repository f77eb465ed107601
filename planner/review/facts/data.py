"""Facts about the data that a configuration trains and measures on, and how rows become tokens."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from planner.facts import Unknown, fact
from planner.review.facts.model import families_in

if TYPE_CHECKING:
    from planner.review.configuration import Configuration
    from planner.review.options import Options

_SLICE = re.compile(r"(?P<name>[^\[]+?)(?:\[(?P<start>-?\d*)(?P<a>%?):(?P<end>-?\d*)(?P<b>%?)\])?$")
_TEST_ONLY = frozenset({"test", "eval", "evaluation", "holdout", "heldout"})
_LOCAL = frozenset({".jsonl", ".json", ".csv", ".parquet", ".ndjson", ".tsv", ".txt"})
#: Families of models that speak a chat template, by the word that tools name it with.
TEMPLATES = {
    "llama-2": ("llama2", "llama-2", "llama2_zh"),
    "llama-3": ("llama3", "llama-3", "llama3.1", "llama3_2_vision"),
    "llama-4": ("llama4",),
    "qwen": ("qwen", "qwen3", "qwen3_nothink", "qwen_25", "qwen25", "qwen2_vl", "chatml"),
    "gemma": ("gemma", "gemma2", "gemma3", "gemma3n", "gemma4"),
    "mistral": (
        "mistral", "mistral_v1", "mistral_v2v3", "mistral_v3_tekken", "mistral_v7_tekken", "mistral_small", "ministral",
    ),
    "phi": ("phi", "phi_3", "phi_35", "phi_4", "phi_small"),
    "deepseek": ("deepseek", "deepseek_v2", "deepseek3", "deepseekcoder", "deepseekr1"),
    "glm": ("glm4", "chatglm3"),
    "yi": ("yi", "chatml"),
    "smollm": ("smollm", "smollm2", "chatml"),
    "internlm": ("intern2", "chatml"),
    "falcon": ("falcon",),
    "command-r": ("cohere", "command_r", "command_a"),
    "granite": ("granite3", "granite"),
    "olmo": ("olmo",),
    "baichuan": ("baichuan2",),
    "vicuna": ("vicuna",),
    "": ("alpaca",),
}  # fmt: skip
_KNOWN_TEMPLATES = frozenset(word for words in TEMPLATES.values() for word in words)
_INSTRUCT = re.compile(r"instruct|chat|[-_]it(?:$|[-_])|[-_]sft", re.IGNORECASE)


def _rows(options: Options, role: str) -> int | None:
    survey = options.data.get(role)
    return None if survey is None else survey.rows


@fact(unit="rows", cite=("book:finetuning-tactics",))
def config_data_rows(options: Options) -> int | Unknown:
    """Rows that are trained on, when the data is at hand or declared."""
    rows = _rows(options, "train")
    rows = rows if rows is not None else _rows(options, "preferences")
    return Unknown("the number of training rows is not known") if rows is None else rows


@fact(unit="rows", cite=("book:finetuning-tactics",))
def config_most_rows(configuration: Configuration, config_data_rows: int | Unknown) -> float | Unknown:
    """Rows that are trained on at most: those of the data, or what the file limits each data set to."""
    limit = configuration.value("max_samples")
    names = configuration.value("datasets") or ()
    bounds = [size for name in names for size in (_sliced_rows(str(name)), limit) if size is not None]
    most = float(sum(bounds)) if names and len(bounds) >= len(names) else None
    if isinstance(config_data_rows, Unknown):
        return config_data_rows if most is None else most
    return config_data_rows if most is None else min(config_data_rows, most)


def _sliced_rows(name: str) -> int | None:
    """Rows of a slice that is counted in rows from the start, such as `train[:250]`."""
    match = _SLICE.fullmatch(name.rpartition("@")[2].strip())
    if match is None or not match["end"] or match["b"] or match["a"] or match["end"].startswith("-"):
        return None
    start = match["start"] or "0"
    return None if start.startswith("-") else max(0, int(match["end"]) - int(start))


@fact(unit="tokens", cite=("book:finetuning-tactics",))
def config_mean_tokens(options: Options) -> float | Unknown:
    """Tokens of a training row on average."""
    survey = options.data.get("train")
    tokens = None if survey is None else survey.mean_tokens
    return Unknown("the length of the rows is not known") if tokens is None else tokens


@fact(unit="fraction", cite=("book:finetuning-tactics",))
def config_cut_share(options: Options, config_max_length: float) -> float | Unknown:
    """The 95th percentile of the rows' lengths, as a multiple of the longest sequence: above one, rows are cut."""
    survey = options.data.get("train")
    if survey is None or survey.tokens is None:
        return Unknown("the length of the rows is not known")
    return survey.tokens.p95 / config_max_length if config_max_length else Unknown("there is no limit of length")


@fact(unit="times", cite=("book:finetuning-tactics",))
def config_length_over_context(config_max_length: float, config_model_context: int) -> float:
    """The longest sequence as a multiple of the model's context."""
    return config_max_length / config_model_context


def _parts(name: str) -> tuple[str, str, str]:
    """Path, split without slices, and slice of a data set `path@split[a:b]`."""
    path, _, split = name.rpartition("@")
    match = _SLICE.fullmatch(split.strip())
    return path, (match["name"] if match else split).strip().lower(), split.partition("[")[2]


def _range(name: str) -> tuple[float, float] | None:
    """Start and end of a split's slice in percent; None when it is counted in rows or from the end."""
    match = _SLICE.fullmatch(name.rpartition("@")[2].strip())
    if match is None or "[" not in name:
        return 0.0, 100.0
    start, end = match["start"] or "0", match["end"] or "100"
    percent = (match["a"] or not match["start"]) and (match["b"] or not match["end"])
    if not percent or start.startswith("-") or end.startswith("-"):
        return None
    return float(start), float(end)


def _same_rows(one: str, two: str) -> bool:
    left, right = _parts(one), _parts(two)
    if left[:2] != right[:2]:
        return False
    a, b = _range(one), _range(two)
    if a is None or b is None:
        return left[2] == right[2]
    return a[0] < b[1] and b[0] < a[1]


@fact(cite=("book:finetuning-tactics",))
def config_same_data(configuration: Configuration) -> bool | Unknown:
    """Whether a data set is trained on and measured on: the same path and split, or slices that overlap."""
    train, tests = configuration.value("datasets"), configuration.value("eval_datasets")
    if not train or not tests:
        return Unknown("the file does not name both training and evaluation data")
    return any(_same_rows(str(one), str(two)) for one in train for two in tests)


@fact(cite=("book:finetuning-tactics",))
def config_trains_on_test(configuration: Configuration) -> bool | Unknown:
    """Whether a split or file that is named as a test set is trained on."""
    train = configuration.value("datasets")
    if not train:
        return Unknown("the file names no training data")
    for name in train:
        path, split, _ = _parts(str(name))
        file = PurePosixPath(path)
        words = set(re.split(r"[^a-z]+", file.stem.lower())) if file.suffix.lower() in _LOCAL else set()
        if set(split.split("+")) & _TEST_ONLY or (words & _TEST_ONLY and "train" not in words):
            return True
    return False


@fact(unit="rows", cite=("book:finetuning-tactics",))
def config_shared_rows(options: Options) -> int | Unknown:
    """Rows of the evaluation data that stand in the training data too, by their prompts."""
    surveys = [options.data[role] for role in ("test", "validation") if role in options.data]
    if "train" not in options.data or not surveys or all(item.source == "declared" for item in surveys):
        return Unknown("training and evaluation data are not both at hand")
    return sum(overlap.rows for item in surveys for overlap in item.overlaps if overlap.other == "train")


@fact(cite=("book:finetuning-tactics",))
def config_evaluates(configuration: Configuration, options: Options) -> bool | Unknown:
    """Whether anything is measured on rows that are not trained on."""
    if {"test", "validation"} & options.data.keys():
        return True
    return configuration.get("evaluation")  # type: ignore[no-any-return]


#: Folders that trainers write to; nobody on the hub has such a name.
_OUTPUTS = ("output/", "outputs/", "saves/", "runs/", "results/", "checkpoints/")
_CONTINUED = re.compile(r"checkpoint-\d+|(?:^|/)(?:outputs?|saves|runs|results|checkpoints)/|[-_](?:sft|dpo|kto|merged|finetuned|ft)(?:$|[-_/])", re.IGNORECASE)  # fmt: skip  # noqa: E501


@fact(cite=("book:finetuning-and-rag", "luo-2023-forgetting"))
def config_continues_adapter(configuration: Configuration) -> bool:
    """Whether training goes on from an adapter that was trained before."""
    return configuration.value("training") is True and bool(configuration.value("adapter_path"))


@fact(cite=("book:finetuning-and-rag", "luo-2023-forgetting"))
def config_continues_model(configuration: Configuration) -> bool:
    """Whether training starts from a model that was finetuned here before, by its path."""
    if configuration.value("training") is not True:
        return False
    base = str(configuration.value("base_model", ""))
    local = base.startswith((".", "/", "~", *_OUTPUTS)) or base.count("/") != 1
    return bool(_CONTINUED.search(base)) and local


@fact(cite=("book:finetuning-and-rag",))
def config_sequential(*, config_continues_adapter: bool, config_continues_model: bool) -> bool:
    """Whether training goes on from an earlier finetune."""
    return config_continues_adapter or config_continues_model


@fact(cite=("book:finetuning-tactics",))
def config_prompt_in_loss(configuration: Configuration, options: Options) -> bool | Unknown:
    """Whether prompt tokens count in the loss as much as the answer's, by the file and the shape of its data."""
    if configuration.value("dataset_format") == "text":
        return Unknown("plain text has no prompt")
    known = configuration.get("train_on_prompt")
    survey = options.data.get("train")
    if not isinstance(known, Unknown) or configuration.tool != "trl" or survey is None or survey.shape is None:
        return known  # type: ignore[no-any-return]
    # trl masks the prompt of prompt-completion rows by itself, and nothing in rows of messages.
    return {"messages": True, "conversations": True, "prompt/completion": False}.get(
        survey.shape, Unknown("the shape of the rows does not tell")
    )


@fact(cite=("book:finetuning-tactics",))
def config_template_foreign(configuration: Configuration, options: Options) -> bool | Unknown:
    """Whether the chat template is another family's than the model's own, both by their names."""
    template = str(configuration.value("chat_template", "")).lower()
    name = str(configuration.value("base_model", ""))
    families = families_in(name) - {"codellama"}
    known = options.model.tuned if options.model is not None else None
    if known == "base" or (known is None and not _INSTRUCT.search(name)):
        return Unknown("the model is not known to have a chat template of its own")
    if template not in _KNOWN_TEMPLATES or len(families) != 1:
        return Unknown("the family of the template or of the model is not known")
    return template not in TEMPLATES.get(next(iter(families)), (template,))


@fact(cite=("transformers-docs",))
def config_template_of_tokenizer(configuration: Configuration) -> bool | Unknown:
    """Whether rows of messages are rendered with whatever template the model's tokenizer has."""
    if configuration.value("dataset_format") != "chat":
        return Unknown("the data is not known to be chat")
    if configuration.tool == "llama-factory":
        return False
    return bool(configuration.value("chat_template", "tokenizer_default") == "tokenizer_default")


@fact()
def config_pad_is_eos(config_pad_token: str, config_eos_token: str) -> bool:
    """Whether the token that fills rows is the one that ends answers."""
    return config_pad_token == config_eos_token


@fact(cite=("krell-2021-packing",))
def config_pads_to_length(configuration: Configuration) -> bool:
    """Whether every row is filled up to the longest sequence."""
    return configuration.value("pad_to_length") is True and configuration.value("packing") is not True
