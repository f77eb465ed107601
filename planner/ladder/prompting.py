"""Steps that every rung has: the base model made ready, a prompt, a measurement of its answers."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from planner.documents import Input, JsonValue, Step
from planner.ladder.endpoints import endpoint, judge, served
from planner.ladder.pins import data_pin
from planner.ladder.tables import characters, database

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Gate
    from planner.ladder.draft import Draft

SEED = 0
# The template of every prompt that is not searched for.
PLAIN = "plain"
# Steps that leave weights in fewer bits: the form that is served, and others beside it.
ROUNDED = ("quantize/", "compare/")
# Room for answers longer than any seen in training.
ANSWER_MARGIN = 1.25
ANSWER_TOKENS_BY_FORMAT = {"label": 16, "text": 256}
OTHER_ANSWER_TOKENS = 192


def answering(draft: Draft) -> dict[str, Input]:
    """The inputs of a measurement of the base as it is: its model, or none where a server answers for it."""
    return {} if served(draft) else {"model": base_model(draft)}


def base_model(draft: Draft) -> Input:
    """The base model as later steps read it: pinned files, or the output of the step that makes it ready."""
    model = draft.survey.models[draft.answer("base_model")]
    if model.kind in ("folder", "hub-cache"):
        return Input(pin="model/base")
    source = Input(pin="model/base")
    return unpacked(draft, source) if model.kind == "gguf" else unpacked(draft, source, "Fetch the base model")


def unpacked(
    draft: Draft, source: Input, title: str = "Convert the GGUF file into a folder that trains and serves"
) -> Input:
    """A base as a model folder, by the one step of a plan that makes it."""
    if "prepare/base" not in draft.steps:
        draft.add(
            Step(
                address="prepare/base",
                title=title,
                executor="prepare",
                version="2",
                inputs={"source": source},
                params={"dtype": draft.answer("base_dtype")},
                outputs=("model",),
                known_after=("digest of the converted weights",),
            ),
            because=("base_model", "base_dtype"),
        )
    return Input(step="prepare/base", output="model")


def add_prompt(
    draft: Draft,
    name: str,
    *,
    examples: int,
    show_form: bool,
    gates: tuple[Gate, ...] = (),
    select: str | None = None,
) -> None:
    """A prompt: the task in the spec's words, the form of the answer, examples from the training data only.

    `select` says how the examples are chosen, where that is another way than the one that was decided.
    """
    titles = {
        "zero-shot": "Write clear instructions with the form of the answer",
        "short": "Write the short prompt that the finetuned model will be given",
    }
    draft.add(
        Step(
            address=f"prompt/{name}",
            title=titles.get(name, f"Choose {examples} examples from the training data"),
            executor="prompt",
            version="1",
            inputs={**({"train": Input(pin="data/train")} if examples else {}), **database(draft)},
            params={
                "instruction": draft.spec.task.description,
                **draft.output_params(),
                "show_form": show_form,
                "examples": examples,
                "select": select or draft.answer("example_choice"),
                "template": PLAIN,
                "fit": False,
                "tables": characters(draft),
                "seed": SEED,
            },
            outputs=("prompt",),
            gates=gates,
        ),
        because=("rungs", "examples", "example_choice") if examples else ("rungs",),
    )


def evaluate(
    draft: Draft,
    name: str,
    title: str,
    *,
    rung: str | None,
    inputs: dict[str, Input],
    because: tuple[str, ...],
    gates: tuple[Gate, ...] = (),
    changed: Mapping[str, JsonValue] = MappingProxyType({}),
) -> str:
    """A measurement on the evaluation data; `changed` are parameters that differ, as for fewer rows."""
    spec = draft.spec
    graded = ["judge"] if spec.evaluation.judge else []
    metrics: list[JsonValue] = [*dict.fromkeys([*spec.evaluation.metrics, *sorted(spec.evaluation.target), *graded])]
    reads = {**inputs, "data": data_pin(draft, "evaluation")}
    if "execution_accuracy" in metrics and spec.evaluation.database:
        reads["database"] = Input(pin="data/database")
    before = _before(draft, inputs) if "preference_accuracy" in metrics else None
    if before is not None:
        reads["before"] = before
    return draft.add(
        Step(
            address=f"evaluate/{name}",
            title=title,
            executor="evaluate",
            version="2",
            inputs=reads,
            params={
                "metrics": metrics,
                **draft.output_params(),
                **how_answered(draft, inputs),
                # Without a prompt only a classifier can answer.
                **({} if "prompt" in inputs else {"decoding": "head"}),
                "kv_cache": "16-bit",
                "judge": judge(draft.spec),
                "passages": None,
                "window": None,
                "limit": spec.evaluation.limit,
                "seed": SEED,
                **changed,
            },
            outputs=("predictions",),
            rung=rung,
            gates=gates,
            known_after=tuple(str(metric) for metric in metrics),
        ),
        because=because,
    )


def _before(draft: Draft, inputs: dict[str, Input]) -> Input | None:
    """The model from which the one that is measured was trained; None where it was not."""
    source, trained = inputs.get("model"), "adapter" in inputs
    while source is not None and (source.step or "").startswith(("train/", "merge/", *ROUNDED)):
        trained = trained or not str(source.step).startswith(ROUNDED)
        source = draft.steps[str(source.step)].inputs.get("model")
    return source if trained else None


def how_answered(draft: Draft, inputs: dict[str, Input]) -> dict[str, JsonValue]:
    """The parameters of everything that lets a model answer rows."""
    return {
        "max_new_tokens": answer_limit(draft),
        "batch_size": int(draft.thresholds["evaluation_batch"]),
        "dtype": draft.answer("base_dtype"),
        "quantization": _bits(draft, inputs),
        "decoding": _decoding(draft),
        "grammar": grammar(draft),
        "endpoint": None if "model" in inputs else endpoint(draft.spec, str(draft.answer("base_model"))),
        "samples": int(draft.answer("samples")),
        "temperature": draft.thresholds["sampling_temperature"],
    }


def _bits(draft: Draft, inputs: dict[str, Input]) -> str:
    """How the weights are rounded while they answer; what is quantized already, or served, is measured as it is."""
    source = inputs.get("model")
    as_it_is = source is None or (source.step or "").startswith(ROUNDED)
    return "none" if as_it_is else str(draft.answer("evaluation_quantization"))


def _decoding(draft: Draft) -> str:
    """How the executor holds an answer's form: as decided, where it has the labels, the schema or the grammar."""
    decided, output = str(draft.answer("decoding")), draft.spec.task.output
    has = {"labels": output.labels, "pattern": output.pattern, "grammar": draft.survey.grammar}
    return decided if has.get(decided) or (output.format == "json" and decided in ("schema", "grammar")) else "free"


def grammar(draft: Draft) -> str | None:
    """The grammar or the regular expression that decoding can be held to; None where it needs none."""
    output = draft.spec.task.output
    return {"pattern": output.pattern, "grammar": draft.survey.grammar}.get(str(draft.answer("decoding")))


def answer_limit(draft: Draft) -> int:
    """Tokens that an answer may take: a quarter more than the longest known one."""
    longest = draft.fact("longest_answer_tokens")
    if longest:
        return int(longest * ANSWER_MARGIN) + 1
    return ANSWER_TOKENS_BY_FORMAT.get(draft.spec.task.output.format, OTHER_ANSWER_TOKENS)
