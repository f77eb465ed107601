"""Prints what each merge of the two skills kept: the score on each task, and its part of the adapter's alone."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from executors.state import STATE_FOLDER, State  # noqa: E402 - the checkout comes first
from executors.status import read_status  # noqa: E402 - the checkout comes first

METRICS = {"requests": "slot_f1", "reading": "token_f1"}
# The source that learned the task alone.
ALONE = {"requests": "evaluate/source-0", "reading": "evaluate/source-1"}


def main() -> None:
    """A line for each name of a run that ends in a task, such as `ties-reading`."""
    scores: dict[str, dict[str, float]] = {}
    alone: dict[str, float] = {}
    for each in read_status(State(HERE / STATE_FOLDER)):
        name, _, task = each.report.name.rpartition("-")
        for step in each.report.steps if task in METRICS else ():
            found = step.metrics.get(METRICS[task])
            if found is not None and step.address == "evaluate/merged":
                scores.setdefault(name, {}).setdefault(task, found.value)
            # What takes a skill away has another source.
            elif found is not None and step.address == ALONE[task] and name != "removed":
                alone[task] = found.value
    if missing := METRICS.keys() - alone.keys():
        sys.exit(f"No merge has measured the adapter of {', '.join(missing)} alone: run one with --all-rungs.")
    print(f"{'merge':<18}" + "".join(f"{f'{task}: {metric}':>22}{'kept':>7}" for task, metric in METRICS.items()))
    for name, on in sorted(scores.items()):
        shown = [(f"{on[task]:.2f}", f"{on[task] / alone[task]:.0%}") if task in on else ("-", "-") for task in METRICS]
        print(f"{name:<18}" + "".join(f"{score:>22}{kept:>7}" for score, kept in shown))


if __name__ == "__main__":
    main()
