"""What a report tells about the sources of a merge."""

from __future__ import annotations

from typing import Any

import pytest

from adapt.render.merging import sources_told
from executors.report import StepReport

LENGTHS = {"of": "weights", "lengths": {"source-0": 3.1, "source-1": 93.5}, "longest_over_shortest": 30.05}
RESCALED = {"common_length": 6.0, "factors": {"source-0": 1.94, "source-1": 0.064}, "rescaled": True}
MATCHED = {"cosine_before": 0.04, "cosine_after": 0.98, "rounds": 3, "moved": {"residual": 0.9839, "units": 1.0}}


LEFT = "Lengths of the weights: source-0 3.1, source-1 93.5; the longest is 30.05 times the shortest"


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        (
            {"magnitudes": {**LENGTHS, **RESCALED}},
            f"{LEFT}, so all are brought to 6.0: times source-0 1.94, source-1 0.064.",
        ),
        ({"magnitudes": {**LENGTHS, "rescaled": False}}, f"{LEFT}, which is left as it is."),
        ({"alignment": {"source-1": MATCHED}}, "was 0.04 and is 0.98; moved 98% of residual, 100% of units."),
    ],
)
def test_lengths_and_matches_are_told_in_a_sentence(notes: dict[str, Any], said: str) -> None:
    step = StepReport(address="merge/models", title="t", executor="merge-models", notes=notes)
    other = StepReport(address="a/b", title="t", executor="prompt")
    [told] = sources_told((step, other))
    assert told.endswith(said)
