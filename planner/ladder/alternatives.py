"""Other ways to the same end, with their stages, times and costs: what the plan did not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Alternative, Estimate, Stage
from planner.facts.effort import device_rate, training_flops
from planner.ladder.merging import ensemble
from planner.ladder.paths import Ladder, models_of
from planner.ladder.stronger import stronger_base

if TYPE_CHECKING:
    from planner.ladder.draft import Draft
    from planner.ladder.siblings import Candidate

TACTICS = ("book:finetuning-tactics",)


def alternatives(draft: Draft) -> tuple[Alternative, ...]:
    """The paths that were not taken to a trained model, and the ensemble that a merge could have been."""
    if "finetune" not in draft.answer("rungs"):
        return (*stronger_base(draft), *ensemble(draft))
    taken = draft.answer("path")
    ladder = models_of(draft)
    told = {"direct": _direct, "progression": _progression, "distillation": _distillation}
    found = [tell(draft, ladder) for name, tell in told.items() if name != taken]
    return (*(each for each in found if each is not None), *ensemble(draft))


def _direct(draft: Draft, ladder: Ladder) -> Alternative:
    return Alternative(
        name="direct",
        because="the code and the data are trusted already, and one training of the base answers whether it helps",
        set={"overrides.path": "direct"},
        stages=(_stage(draft, f"Train {ladder.best.id}", ladder.best, 1.0, "whether training meets the target"),),
        cite=TACTICS,
    )


def _progression(draft: Draft, ladder: Ladder) -> Alternative | None:
    if ladder.cheapest.id == ladder.best.id:
        return None
    rows = draft.fact("training_rows") or 0
    epochs = float(draft.answer("epochs"))
    once = min(1.0, draft.thresholds["check_rows"] / rows) / epochs if rows else 0.0
    part = draft.thresholds["data_check_share"] / epochs
    return Alternative(
        name="progression",
        because="code and data are new: the cheapest model tests the code, a middling one the data, the best shows the "
        "ceiling",
        set={"overrides.path": "progression"},
        stages=(
            _stage(draft, "Test the code", ladder.cheapest, once, "that code, template and stop token work"),
            _stage(draft, "Test the data: a part", ladder.middling, part, "the loss on little data"),
            _stage(draft, "Test the data: all", ladder.middling, 1.0, "whether the loss falls with more data"),
            _stage(draft, "See the ceiling", ladder.best, 1.0, "the best that can be had, and at which price"),
        ),
        cite=TACTICS,
    )


def _distillation(draft: Draft, ladder: Ladder) -> Alternative | None:
    if ladder.cheapest.id == ladder.best.id or not draft.fact("model_generates"):
        return None
    rows = draft.fact("training_rows") or 0
    written = float(draft.answer("rows_written"))
    more = (rows + written) / rows if rows else 0.0
    return Alternative(
        name="distillation",
        because="the task is narrow and served in volume: the best model learns it from few rows, writes many, and the "
        "cheapest learns those",
        set={"overrides.path": "distillation"},
        stages=(
            _stage(draft, "Train the best model on the small set", ladder.best, 1.0, "what can be had at all"),
            Stage(title="Let it write rows", model=ladder.best.id, rows=int(written), learns="more data"),
            _stage(
                draft, "Train the cheapest on all of them", ladder.cheapest, more, "how much of it a small model keeps"
            ),
        ),
        cite=(*TACTICS, "raheja-2023-coedit"),
    )


def _stage(draft: Draft, title: str, model: Candidate, share: float, learns: str) -> Stage:
    """A training of one model on a share of what the plan's own training sees; less than one pass is fewer rows."""
    rows = draft.fact("training_rows")
    passes = float(draft.answer("epochs"))
    time = _time(draft, model, share)
    return Stage(
        title=title,
        model=model.id,
        rows=round(rows * (share if share >= 1 else min(1.0, share * passes))) if rows else None,
        learns=learns,
        time=time,
        cost=_cost(draft, time),
    )


def _time(draft: Draft, model: Candidate, share: float) -> Estimate | None:
    tokens = draft.fact("tokens_seen")
    if not tokens or not model.parameters or not share:
        return None
    flops = training_flops(
        model.parameters, tokens * share, str(draft.answer("method")), recomputed=draft.answer("gradient_checkpointing")
    )
    rate = device_rate(draft.survey)
    devices = draft.fact("data_parallel") or 1
    low, expected, high = (float(f"{flops / each / devices:.3g}") for each in (rate.high, rate.expected, rate.low))
    return Estimate(low=low, expected=expected, high=high, unit="s", assumptions=(rate.assumption,))


def _cost(draft: Draft, time: Estimate | None) -> Estimate | None:
    from planner.catalog import price_per_hour

    hardware = draft.survey.hardware
    device = hardware.device
    price = price_per_hour(device.key) if time and device.key and device.kind != "cpu" else None
    if price is None or time is None:
        return None
    hours = device.count * hardware.nodes / 3600
    return Estimate(
        low=round(time.low * hours * price.low_usd_per_hour, 4),
        expected=round(time.expected * hours * price.expected_usd_per_hour, 4),
        high=round(time.high * hours * price.high_usd_per_hour, 4),
        unit="USD",
        assumptions=(f"rental prices of {price.oldest} or later",),
    )
