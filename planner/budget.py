"""What the steps will take: seconds and dollars, as intervals with their assumptions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from planner.catalog import price_per_hour
from planner.documents import Budget, Estimate, Resources, Step
from planner.facts.data import evaluation_data
from planner.facts.effort import device_rate, training_flops
from planner.facts.model import parameters_of, teachers_of
from planner.ladder.baselines import probe_seconds
from planner.ladder.data_need import trained_share
from planner.ladder.merging import searched
from planner.ladder.probing import probe_tokens
from planner.ladder.retrieving import passage_tokens
from planner.ladder.searching import most_answers, search_tokens
from planner.memory.interval import Interval
from planner.step_memory import PROMPT_TOKENS, inference_memory, size_of, training_memory

if TYPE_CHECKING:
    from planner.facts.effort import Rate
    from planner.ladder import Draft
    from planner.survey import Survey

# A step's own process: interpreter, torch, transformers, reading the weights.
START_S = (3.0, 6.0, 15.0)
LIGHT_S = (0.05, 0.3, 3.0)
REPLY_S = (0.2, 2.0, 20.0)
CONVERT_BYTES_PER_S = (5e6, 15e6, 60e6)
RELOADED_TOKENS = 2000.0
# Requests that a teacher is shown when it makes up one more.
SHOWN_REQUESTS = 6
FORWARD = 2
# Ways in which a diagnosis asks a failing case again, at most.
EXPERIMENTS = 4
# What several devices together reach of the sum of their rates.
SCALING = 0.85


def time_estimates(draft: Draft, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps with their resources: time, memory, disk."""
    rate = device_rate(draft.survey)
    return tuple(step.model_copy(update={"resources": _resources(draft, step, rate)}) for step in steps)


def budget(steps: tuple[Step, ...], survey: Survey) -> Budget:
    """The whole plan when every rung runs; the gates usually end it earlier."""
    times = [step.resources.time for step in steps if step.resources.time]
    sums = [sum(time.low for time in times), sum(time.expected for time in times), sum(time.high for time in times)]
    total = _seconds(sums, "every rung runs")
    device = survey.hardware.device
    price = price_per_hour(device.key) if device.key and device.kind != "cpu" else None
    if price is None:
        return Budget(time=total)
    hours = device.count * survey.hardware.nodes / 3600
    cost = Estimate(
        low=round(total.low * hours * price.low_usd_per_hour, 4),
        expected=round(total.expected * hours * price.expected_usd_per_hour, 4),
        high=round(total.high * hours * price.high_usd_per_hour, 4),
        unit="USD",
        assumptions=(f"rental prices of {price.oldest} or later",),
    )
    return Budget(time=total, cost=cost)


def _resources(draft: Draft, step: Step, rate: Rate) -> Resources:
    size = parameters_of(draft.survey.models[draft.answer("base_model")]) or 0
    device: Literal["cpu", "accelerator"] = "cpu" if draft.survey.hardware.device.kind == "cpu" else "accelerator"
    if step.executor in ("train", "data-need"):
        return _training_resources(draft, step, size, rate, device)
    answering = {
        "evaluate": _evaluation_time,
        "diagnose": _diagnosis_time,
        "distill": _distillation_time,
        "prompt-search": _search_time,
        "rewrite": _rewriting_time,
    }
    if step.executor in answering and step.params.get("endpoint"):
        # How fast a server writes many rows is its own.
        return Resources(time=None if step.executor == "distill" else _served_time(draft, step))
    if step.executor in answering and "model" in step.inputs:
        time, memory = answering[step.executor](draft, step, size, rate), inference_memory(draft, step)
        return Resources(device=device, device_memory=memory, time=time)
    if step.executor in ("probes", "linear-probe", "equivalence", "reload"):
        reads = step.executor != "linear-probe"
        flops = _tokens_read(draft, step) * size * FORWARD if reads else probe_seconds(draft) * rate.expected
        memory = inference_memory(draft, step) if reads else None
        return Resources(device=device, device_memory=memory, time=_flops_time(flops, rate))
    if step.executor in ("prepare", "merge", "merge-models", "quantize"):
        data, tried = 2.0 * size, searched(step.params)
        flops = tried * _choosing_tokens(draft, step) * size * FORWARD
        rates = zip(reversed(CONVERT_BYTES_PER_S), (rate.high, rate.expected, rate.low), strict=True)
        seconds = [(1 + tried) * data / moved + flops / reached for moved, reached in rates]
        time = _seconds([start + each for start, each in zip(START_S, seconds, strict=True)], "5 to 60 MB/s of weights")
        disk = Estimate(low=data, expected=data, high=2 * data, unit="bytes", provenance="closed form")
        return Resources(disk=disk, time=time)
    time = _seconds(list(LIGHT_S), "reads and writes small files", provenance="assumed")
    if step.executor == "baselines" and "model" in step.inputs:
        time = _flops_time(probe_seconds(draft) * rate.expected, rate)
    return Resources(time=time)


def _seconds(values: list[float], assumption: str, provenance: str = "closed form") -> Estimate:
    low, expected, high = (float(f"{value:.3g}") for value in values)
    return Estimate(low=low, expected=expected, high=high, unit="s", assumptions=(assumption,), provenance=provenance)  # type: ignore[arg-type]


def _training_resources(
    draft: Draft, step: Step, size: int, rate: Rate, device: Literal["cpu", "accelerator"]
) -> Resources:
    """Those of a training, or of the training that a curve is of on parts of the rows; answers are few beside it."""
    training = step.params.get("training", step.params)
    if not isinstance(training, dict) or "method" not in training:
        return Resources(device=device, time=_flops_time(probe_seconds(draft) * rate.expected, rate))
    whole, share = step.model_copy(update={"params": training}), trained_share(step.params)
    time = _training_time(draft, whole, size, rate)
    if time is not None:
        time = time.model_copy(update={name: getattr(time, name) * share for name in ("low", "expected", "high")})
    return Resources(device=device, device_memory=training_memory(draft, whole), time=time)


def _flops_time(flops: float | Interval, rate: Rate) -> Estimate:
    work = flops if isinstance(flops, Interval) else Interval(flops, flops, flops)
    seconds = [work.low / rate.high, work.expected / rate.expected, work.high / rate.low]
    return _seconds([start + each for start, each in zip(START_S, seconds, strict=True)], rate.assumption)


def _training_time(draft: Draft, step: Step, size: int, rate: Rate) -> Estimate | None:
    tokens = _tokens_trained(draft, step)
    if not tokens or not size:
        return None
    size = size_of(draft, step) or size
    method, recomputed = str(step.params["method"]), bool(step.params["gradient_checkpointing"])
    # Operations grow with the tokens.
    flops = tokens.times(training_flops(size, float(str(step.params["epochs"])), method, recomputed=recomputed))
    devices = draft.fact("data_parallel") or 1
    if devices == 1:
        return _flops_time(flops, rate)
    together = _flops_time(flops.times(1 / (devices * SCALING)), rate)
    shared = f"{devices} devices reach {SCALING:.0%} of their sum"
    return together.model_copy(update={"assumptions": (*together.assumptions, shared)})


def _tokens_trained(draft: Draft, step: Step) -> Interval | None:
    """Tokens that one pass over what a step trains on computes: rows, documents, or rows yet unwritten.

    Around a row stand its instruction, which rows of one forward pass may share, its passages and its tables.
    """
    source = step.inputs["train"]
    if source.pin == "data/documents":
        documents = draft.survey.data.get("documents")
        whole = documents.rows * documents.mean_tokens if documents and documents.rows and documents.mean_tokens else 0
        return Interval(whole, whole, whole) if whole else None
    said, tables = float(draft.fact("said_tokens")), float(draft.fact("table_tokens")) * ("prompt" in step.inputs)
    if step.params.get("share_prefix"):
        said /= int(str(step.params["micro_batch"]))
    rows = draft.fact("training_rows") or 0
    if source.step:
        rows += float(draft.answer("rows_written"))
    each = passage_tokens(draft, step.inputs).plus((draft.fact("row_tokens") or 0) + said + tables)
    return each.times(rows) if rows else None


def _evaluation_time(draft: Draft, step: Step, size: int, rate: Rate) -> Estimate | None:
    data, rows = evaluation_data(draft.survey), draft.fact("evaluation_rows")
    if data is None or not rows or not size:
        return None
    prompt = data.prompt_tokens.mean if data.prompt_tokens else PROMPT_TOKENS
    rows = min(rows, int(str(step.params["limit"] or rows)))
    examples = draft.thresholds["examples_in_prompt"] if "few-shot" in step.address else 0
    prompt += draft.thresholds["instruction_tokens"] + examples * (draft.fact("row_tokens") or PROMPT_TOKENS)
    # One token at a time uses the hardware far worse than a whole prompt does.
    answer = 4 * int(str(step.params["max_new_tokens"]))
    asked = passage_tokens(draft, step.inputs).plus(prompt + answer)
    return _flops_time(asked.times(rows * size * FORWARD), rate)


def _search_time(draft: Draft, step: Step, size: int, rate: Rate) -> Estimate | None:
    each = draft.fact("row_tokens") or PROMPT_TOKENS
    asked = draft.thresholds["instruction_tokens"] + each + 4 * int(str(step.params["max_new_tokens"]))
    asked += passage_tokens(draft, step.inputs).expected
    return _flops_time(search_tokens(draft, step.params, asked, each) * size * FORWARD, rate) if size else None


def _choosing_tokens(draft: Draft, step: Step) -> float:
    """Tokens that measuring one candidate of a merge computes, a written one counted as four; 0 without a search."""
    choosing = step.params.get("choosing")
    if not isinstance(choosing, dict):
        return 0.0
    rows = min(draft.fact("validation_rows") or 0, int(str(choosing["limit"])))
    asked = draft.thresholds["instruction_tokens"] + (draft.fact("row_tokens") or PROMPT_TOKENS)
    return float(rows * (asked + 4 * int(str(choosing["max_new_tokens"]))))


def _rewriting_time(draft: Draft, step: Step, size: int, rate: Rate) -> Estimate | None:
    """A question is read and a query written; a written token costs about four that are read."""
    asked = (draft.fact("row_tokens") or PROMPT_TOKENS) + draft.thresholds["instruction_tokens"]
    tokens = int(str(step.params["limit"])) * (asked + 4 * int(str(step.params["max_new_tokens"])))
    return _flops_time(tokens * size * FORWARD, rate) if size else None


def _distillation_time(draft: Draft, step: Step, size: int, rate: Rate) -> Estimate | None:
    """Each row takes a request that is made up and an answer; a written token costs about four that are read."""
    teacher = next((parameters_of(each) for each in teachers_of(draft.survey)), None) or size
    row, shown = draft.fact("row_tokens") or PROMPT_TOKENS, int(str(step.params["examples"]))
    read = 2 * draft.thresholds["instruction_tokens"] + (SHOWN_REQUESTS + shown + 1) * row
    tokens = int(str(step.params["rows"])) * (read + 4 * row)
    return _flops_time(tokens * teacher * FORWARD, rate) if teacher else None


def _tokens_read(draft: Draft, step: Step) -> float:
    """Tokens that probes ask and answer, or that both models of a comparison read."""
    if step.executor == "probes":
        return probe_tokens(step.params)
    if step.executor == "reload":
        # A few prompts, which its maker answered too.
        return RELOADED_TOKENS
    each = (draft.fact("row_tokens") or PROMPT_TOKENS) + draft.thresholds["instruction_tokens"]
    return 2.0 * int(str(step.params["rows"])) * (each + passage_tokens(draft, step.inputs).expected)


def _diagnosis_time(draft: Draft, step: Step, size: int, rate: Rate) -> Estimate | None:
    """Each experiment asks the failing cases that none before has explained; of each kind at most all of them."""
    rows, each = _diagnosed_rows(draft, step), draft.fact("row_tokens") or PROMPT_TOKENS
    if not rows or not size:
        return None
    params, asked = step.params, draft.thresholds["instruction_tokens"] + each
    prompts = [asked + int(str(params["examples"])) * each if "train" in step.inputs else 0]
    if step.inputs.keys() & {"index", "documents"}:
        passage, many = int(draft.answer("chunk_tokens") or 0), int(draft.answer("passages") or 1)
        prompts += [asked + passage, asked + many * passage]
    if params["format"] in ("json", "label"):
        prompts.append(asked)
    answer = 4 * int(str(params["max_new_tokens"]))
    return _flops_time(rows * sum(prompt + answer for prompt in prompts if prompt) * size * FORWARD, rate)


def _diagnosed_rows(draft: Draft, step: Step) -> int:
    """Failing cases that experiments are made on: no more than are evaluated."""
    read = draft.steps[str(step.inputs["predictions"].step)].params["limit"]
    rows = draft.fact("evaluation_rows") or 0
    return min(rows, *(int(str(limit)) for limit in (step.params["limit"], read) if limit is not None), rows)


def _served_time(draft: Draft, step: Step) -> Estimate | None:
    """Answers of a server: nothing is known of it but how many requests are open at once."""
    rows, endpoint = draft.fact("evaluation_rows"), step.params["endpoint"]
    if rows and step.executor == "evaluate":
        rows = min(rows, int(str(step.params["limit"] or rows)))
    if step.executor == "prompt-search":
        rows = most_answers(step.params, int(str(step.params["rows"])))
    if step.executor == "rewrite":
        rows = int(str(step.params["limit"]))
    if rows and step.executor == "diagnose":
        rows = _diagnosed_rows(draft, step) * EXPERIMENTS
    if not rows or not isinstance(endpoint, dict):
        return None
    rounds = math.ceil(rows / int(str(endpoint["concurrency"])))
    return _seconds([rounds * each for each in REPLY_S], "a reply takes 0.2 to 20 s", provenance="assumed")
