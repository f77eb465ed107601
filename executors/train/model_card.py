"""The card of what was trained: from what, on which data, how, what it reached, and how it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.models import load_tokenizer
from executors.prompt.infilling import ADDED, marks_of
from executors.train.belonging import ALL_OWN, output_of
from planner.documents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.contract import Job
    from executors.train.params import TrainParams

ROLES = ("train", "validation")
# How transformers and peft load what plain peft would load wrongly or not at all; tests run these lines.
STRETCHED = """from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM

config = AutoConfig.from_pretrained(folder)
base = AutoModelForCausalLM.from_pretrained(base_folder, config=config)
model = PeftModel.from_pretrained(base, folder)
"""
ENLARGED = """from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(folder)
base = AutoModelForCausalLM.from_pretrained(base_folder)
if len(tokenizer) > base.get_input_embeddings().num_embeddings:
    base.resize_token_embeddings(len(tokenizer), mean_resizing=False)
model = PeftModel.from_pretrained(base, folder)
"""


def card(job: Job, labels: tuple[str, ...], facts: Mapping[str, str]) -> str:
    """The model card, as Markdown with a front matter that hubs read; the same for the same training.

    Args:
        job: of the training.
        labels: of a head; empty for what writes.
        facts: counts of rows, and metrics with their intervals where they have one.
    """
    params: TrainParams = job.params
    whole = output_of(params.method) == "model"
    licence, told = licence_of(Path(job.inputs["model"]))
    front: dict[str, Any] = {} if params.method == "adapter" else {"library_name": "transformers" if whole else "peft"}
    front |= {"license": licence} if licence else {}
    front |= {
        "pipeline_tag": "text-classification" if labels else "text-generation",
        "tags": [params.method, params.objective],
    }
    data = [
        f"| {role} | {name} | {content} | {size:,} |"
        for role in ROLES
        if role in job.inputs
        for name, (content, size) in [(Path(job.inputs[role]).name, fingerprint(Path(job.inputs[role])))]
    ]
    said = {name: value for name, value in params.model_dump().items() if value is not None or name not in ALL_OWN}
    base, _ = fingerprint(Path(job.inputs["model"]))
    parts = [
        f"# {'Model' if whole else 'Adapter'} trained by {params.method}",
        _use(job, labels),
        f"Base: a model with the digest `{base}`. {told}",
        *([f"Labels, in the order of the scores: {', '.join(labels)}."] if labels else []),
        _table(("", ""), [(name.replace("_", " "), value) for name, value in facts.items()]),
        "## Data\n\n| role | file | digest | bytes |\n|---|---|---|---|\n" + "\n".join(data),
        "## Recipe\n\n"
        + _table(("parameter", "value"), [(name.replace("_", " "), _shown(value)) for name, value in said.items()]),
    ]
    return f"---\n{_yaml(front)}---\n\n" + "\n\n".join(parts) + "\n"


def licence_of(base: Path) -> tuple[str, str]:
    """The licence that the base's own card names, empty where it names none, and a sentence about it."""
    from huggingface_hub import ModelCard

    file = base / "README.md"
    if file.is_file():
        try:
            named = ModelCard.load(file).data.get("license")
        except ValueError:
            named = None
        if isinstance(named, str) and named:
            return named, f"Its licence, {named}, holds for what was made of it."
    beside = next((name for name in ("LICENSE", "LICENSE.txt", "LICENSE.md") if (base / name).is_file()), None)
    if beside:
        return "", f"Its licence stands in its file {beside}, and holds for what was made of it."
    return "", "Its files name no licence: look it up where the model came from before this is passed on."


def _use(job: Job, labels: tuple[str, ...]) -> str:
    params: TrainParams = job.params
    head = "SequenceClassification" if labels else "CausalLM"
    loader = f"transformers.AutoModelFor{head}.from_pretrained"
    if output_of(params.method) == "model":
        return f"A whole model: load it with `{loader}(folder)`."
    if params.method == "adapter":
        first = "executors.heads.load_labelling(base, folder, ...)" if labels else "executors.models.load_adapter"
        how = first if labels else f"{first}(base, folder)"
        return (
            f"Bottleneck adapters, which peft does not know: load them with `{how}` on the base they were trained on."
        )
    if labels:
        made = f"base = {loader}(base_folder, num_labels={len(labels)}, pad_token_id=...)"
        return f"Load it on the base of its training: `{made}`, then `peft.PeftModel.from_pretrained(base, folder)`."
    if params.objective == "long-context" and params.scaling != "none":
        why = f"It was trained on positions that {params.scaling} scaling stretches {params.scaling_factor:g} times"
        return _lines(f"{why}: the configuration beside it says how, and the base must be loaded with it.", STRETCHED)
    if params.objective == "infilling" and marks_of(load_tokenizer(Path(job.inputs["model"]))) is None:
        why = f"It learned tokens that the base has not ({', '.join(ADDED)})"
        return _lines(f"{why}: the base needs room for them first, and the tokenizer beside the adapter.", ENLARGED)
    return "Load it with `peft.PeftModel.from_pretrained(base, folder)`, on the base model that it was trained on."


def _lines(sentence: str, code: str) -> str:
    return f"{sentence}\n\n```python\n{code}```"


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    return "\n".join([f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _yaml(values: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(values, sort_keys=False, default_flow_style=None))


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
