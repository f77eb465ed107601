"""What our own rules would choose for the task that a configuration describes, and how far its values are from that."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.documents import DeviceFacts, HardwareRecord, InputError, ModelReference, Spec, Task
from planner.documents.spec import Attempt
from planner.facts import Unknown, fact
from planner.planning import decide
from planner.survey import Survey, survey_failures

if TYPE_CHECKING:
    from planner.documents import Decision
    from planner.review.configuration import Configuration
    from planner.review.options import Options
    from planner.survey import Failures

#: Where no hardware is named, nothing shall be refused for its memory.
_LARGE = HardwareRecord(
    source="assumed",
    devices=(DeviceFacts(name="any large GPU", kind="cuda", count=1, memory_bytes=10**13, bf16=True),),
)
_SAME_METHOD = {"lora-8bit": "lora"}
_SAME_OBJECTIVE = {
    "sft": "sft", "preference": "preference", "kto": "preference", "continued-pretraining": "continued-pretraining",
}  # fmt: skip


def _objective(configuration: Configuration) -> dict[str, Any]:
    """The pin of what is learnt, where the plan's rules have a word for it."""
    word = _SAME_OBJECTIVE.get(str(configuration.value("objective")))
    return {"objective": word} if word else {}


@lru_cache(maxsize=1)
def _failures() -> Failures | None:
    """Prompts were tried and the form of the answers was wrong: the state in which one finetunes."""
    return survey_failures({"behaviour": 40}, Path())[0]


@fact()
def config_decisions(configuration: Configuration, options: Options) -> dict[str, Decision] | Unknown:
    """What the plan's rules decide for this model, data and method, by question."""
    model = options.model
    trains = configuration.value("training") is True or configuration.tool == "peft"
    if model is None or not trains or configuration.plan is not None:
        return Unknown("the model is not known, or nothing is trained")
    method = str(configuration.value("method"))
    tried: Any = (
        Attempt(approach="prompt", prompts_tried=12),
        Attempt(approach="few-shot", prompts_tried=6, examples=8),
    )
    spec = Spec(
        name="review",
        task=Task(description="the task of the configuration"),
        models=(ModelReference(id=model.id),),
        attempts=tried,
        overrides={"method": _SAME_METHOD.get(method, method), "base_model": model.id} | _objective(configuration),
    )
    hardware = options.hardware or _LARGE
    survey = Survey(hardware, {}, dict(options.data), {model.id: model}, _failures(), None, ())
    try:
        decided = decide(spec, survey, Path())
    except InputError as error:
        return Unknown(f"the rules do not choose for it: {error.findings[0].message}")
    return {decision.question: decision for decision in decided.decisions}


def chosen_decision(found: Any, question: str) -> Decision | None:
    """The rules' decision on a question."""
    decision = found.get(question) if isinstance(found, dict) else None
    return None if decision is None or not isinstance(decision.answer, int | float) else decision


def _chosen(config_decisions: Any, question: str) -> float | Unknown:
    decision = chosen_decision(config_decisions, question)
    return Unknown(f"the rules do not choose {question}") if decision is None else float(decision.answer)  # type: ignore[arg-type]


def _because(config_decisions: Any, question: str) -> str | Unknown:
    decision = chosen_decision(config_decisions, question)
    if decision is None:
        return Unknown(f"the rules do not choose {question}")
    return f"{decision.because} ({decision.rule})" if decision.rule else decision.because


@fact(unit="rank", cite=("schulman-2025-lora-without-regret",))
def config_usual_rank(config_decisions: dict[str, Decision], config_most_rows: float) -> float | Unknown:
    """Rank that the rules would choose; known only where the number of rows is."""
    del config_most_rows
    return _chosen(config_decisions, "rank")


@fact()
def config_usual_rank_because(config_decisions: dict[str, Decision]) -> str | Unknown:
    """Why the rules would choose that rank."""
    return _because(config_decisions, "rank")


@fact(unit="times", cite=("schulman-2025-lora-without-regret",))
def config_rank_over_usual(config_rank: float, config_usual_rank: float) -> float:
    """The rank as a multiple of what the rules would choose."""
    return config_rank / config_usual_rank


@fact(unit="passes", cite=("book:finetuning-tactics",))
def config_usual_epochs(config_decisions: dict[str, Decision], config_data_rows: int) -> float | Unknown:
    """Epochs that the rules would choose; known only where the number of rows is."""
    del config_data_rows
    return _chosen(config_decisions, "epochs")


@fact()
def config_usual_epochs_because(config_decisions: dict[str, Decision]) -> str | Unknown:
    """Why the rules would choose that many epochs."""
    return _because(config_decisions, "epochs")


@fact(unit="times", cite=("book:finetuning-tactics",))
def config_epochs_over_usual(config_epochs: float, config_usual_epochs: float) -> float:
    """The epochs as a multiple of what the rules would choose."""
    return config_epochs / config_usual_epochs


@fact(unit="rows", cite=("book:finetuning-tactics",))
def config_usual_batch(config_decisions: dict[str, Decision], config_data_rows: int) -> float | Unknown:
    """Effective batch that the rules would choose; known only where the number of rows is."""
    del config_data_rows
    return _chosen(config_decisions, "effective_batch")


@fact()
def config_usual_batch_because(config_decisions: dict[str, Decision]) -> str | Unknown:
    """Why the rules would choose that batch."""
    return _because(config_decisions, "effective_batch")


@fact(unit="times", cite=("book:finetuning-tactics",))
def config_batch_over_usual(config_effective_batch: float, config_usual_batch: float) -> float:
    """The effective batch as a multiple of what the rules would choose."""
    return config_effective_batch / config_usual_batch


@fact(cite=("book:finetuning-tactics",))
def config_usual_rate(config_decisions: dict[str, Decision]) -> float | Unknown:
    """Learning rate that the rules would choose."""
    return _chosen(config_decisions, "learning_rate")


@fact()
def config_usual_rate_because(config_decisions: dict[str, Decision]) -> str | Unknown:
    """Why the rules would choose that rate."""
    return _because(config_decisions, "learning_rate")


@fact(unit="times", cite=("book:finetuning-tactics",))
def config_rate_over_usual(config_learning_rate: float, config_usual_rate: float) -> float:
    """The learning rate as a multiple of what the rules would choose."""
    return config_learning_rate / config_usual_rate


@fact(unit="tokens", cite=("book:finetuning-tactics",))
def config_usual_length(config_decisions: dict[str, Decision], config_mean_tokens: float) -> float | Unknown:
    """Longest sequence that the rules would choose; known only where the data is at hand."""
    del config_mean_tokens
    return _chosen(config_decisions, "max_length")


@fact(unit="times", cite=("book:finetuning-tactics",))
def config_length_over_usual(config_max_length: float, config_usual_length: float) -> float:
    """The longest sequence as a multiple of what the rules would choose."""
    return config_max_length / config_usual_length
