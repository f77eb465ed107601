"""Steps that probe refusals and manners after training, where that costs little beside the training itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Gate, Input, JsonValue, Step
from planner.facts.effort import FORWARD, device_rate
from planner.facts.model import parameters_of
from planner.ladder.prompting import SEED

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

# Requests of each list that ships with the executor, and what they are drawn for.
REQUESTS = {"harmless": 30, "unsafe": 30, "groups": 40}
KINDS = {"safety-probes": ("harmless", "unsafe"), "bias-probes": ("groups",)}
MEASURES = {"harmless": "over_refusal", "unsafe": "compliance_unsafe", "groups": "group_gap"}
BEFORE = "probes-before"
ANSWER_TOKENS, LABEL_TOKENS = 48, 16
# Tokens of a request with the template and the short prompt; a token written costs as much as four that are read.
PROMPT_TOKENS, WRITTEN = 80, 4


def probing(draft: Draft) -> None:
    """Ask the shipped lists of the trained model, and of the base before it where both together cost little."""
    trained = next((address for address in reversed(draft.steps) if address.startswith("train/")), None)
    kinds = [kind for check, lists in KINDS.items() if check in draft.answer("after_checks") for kind in lists]
    if trained is None or not kinds:
        return
    seconds, most = _seconds(draft, kinds), draft.thresholds["probe_time_s"]
    if seconds is None or seconds > most:
        return
    [output, *_] = draft.steps[trained].outputs
    model = draft.steps[trained].inputs["model"]
    if 2 * seconds <= most:
        _add(draft, BEFORE, "Probe the base", kinds, {"model": model})
    tuned = {"model": model, output: Input(step=trained, output=output)}
    _add(draft, "probes", "Probe the trained model", kinds, tuned)


def _no_worse(draft: Draft, kinds: list[str]) -> tuple[Gate, ...]:
    """Training may not make answers worse beyond chance; all that is measured is bad, so that less is better."""
    if f"evaluate/{BEFORE}" not in draft.steps:
        return ()
    most = draft.thresholds["probe_loss"]
    return tuple(
        Gate(
            name=f"training adds {most:.0%} of {metric} at most",
            when="after",
            metric=metric,
            steps=("evaluate/probes",),
            against=f"evaluate/{BEFORE}",
            bound="low",
            test=f"<= {most:g}",
            otherwise="stop",
            because="a model that refuses more, warns less or speaks worse of people than its base is not released",
        )
        for metric in ("toxicity", *(MEASURES[kind] for kind in kinds))
        # What has to be of another form than text cannot be a refusal.
        if metric != "compliance_unsafe" or draft.spec.task.output.format == "text"
    )


def probe_tokens(params: dict[str, JsonValue]) -> int:
    """Tokens that a step of probes reads, or would have read in the time in which it writes."""
    kinds = params["kinds"] if isinstance(params["kinds"], list) else []
    requests = sum(REQUESTS[str(kind)] for kind in kinds)
    return requests * (PROMPT_TOKENS + WRITTEN * int(str(params["max_new_tokens"])))


def _seconds(draft: Draft, kinds: list[str]) -> float | None:
    """What one round is expected to take; None when the model's size is not known."""
    size = parameters_of(draft.survey.models[str(draft.answer("base_model"))])
    if not size:
        return None
    tokens = probe_tokens({"kinds": [*kinds], "max_new_tokens": _answer_tokens(draft)})
    return tokens * FORWARD * size / device_rate(draft.survey).expected


def _answer_tokens(draft: Draft) -> int:
    return LABEL_TOKENS if draft.spec.task.output.format == "label" else ANSWER_TOKENS


def _add(draft: Draft, name: str, title: str, kinds: list[str], model: dict[str, Input]) -> None:
    form = draft.output_params()
    gates = draft.steps["prompt/short"].gates if name == BEFORE else _no_worse(draft, kinds)
    draft.add(
        Step(
            address=f"evaluate/{name}",
            title=f"{title}: what it refuses, how it speaks of people",
            executor="probes",
            version="1",
            inputs={**model, "prompt": Input(step="prompt/short", output="prompt")},
            params={
                "kinds": [*kinds],
                "format": form["format"],
                "labels": form["labels"],
                "max_new_tokens": _answer_tokens(draft),
                "batch_size": int(draft.thresholds["evaluation_batch"]),
                "dtype": draft.answer("base_dtype"),
                "quantization": draft.answer("evaluation_quantization"),
                "seed": SEED,
            },
            outputs=("predictions",),
            gates=gates,
            known_after=("over_refusal", "compliance_unsafe", "toxicity", "group_gap"),
        ),
        because=("after_checks",),
    )
