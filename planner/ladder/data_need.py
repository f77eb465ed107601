"""The step that says what more examples would bring: trainings on parts of them, and the law of their errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Input, Step
from planner.ladder.prompting import SEED
from planner.ladder.searching import metric

if TYPE_CHECKING:
    from planner.documents import JsonValue
    from planner.ladder.draft import Draft

ADDRESS = "evaluate/data-need"
SHARES = (0.1, 0.3, 1.0)
AHEAD = 2.0
# Trainings at a part of the rows: one draw alone may be lucky.
DRAWS = 2


def data_need(draft: Draft) -> None:
    """Draw the learning curve of the training that was drawn last; what it made of all rows is the last point."""
    trained = next((address for address in reversed(draft.steps) if address.startswith("train/")), None)
    if trained is None or not draft.answer("learning_curve"):
        return
    step, measured = draft.steps[trained], draft.steps.get(f"evaluate/{trained.partition('/')[2]}")
    if measured is None or step.inputs["train"].pin != "data/train":
        # Rows that a teacher writes are as many as one asks for.
        return
    [output, *_] = step.outputs
    wanted = metric(draft)
    cases = int(draft.thresholds["curve_cases"])
    limit = measured.params["limit"]
    evaluation: dict[str, JsonValue] = {
        **measured.params,
        "metrics": [wanted],
        "limit": min(cases, limit) if isinstance(limit, int) else cases,
        "judge": None,
    }
    draft.add(
        Step(
            address=ADDRESS,
            title="Train on parts of the examples: would more of them help?",
            executor="data-need",
            version="2",
            inputs={**step.inputs, "trained": Input(step=trained, output=output)},
            params={
                "shares": [*SHARES],
                "draws": DRAWS,
                "least_steps": int(draft.thresholds["curve_steps"]),
                "ahead": AHEAD,
                "metric": wanted,
                "training": dict(step.params),
                "evaluation": evaluation,
                "seed": SEED,
            },
            outputs=("curve",),
            gates=draft.gates(),
            known_after=("gain_of_more_rows",),
        ),
        because=("learning_curve", "data_need"),
    )


def trained_share(params: dict[str, JsonValue]) -> float:
    """Rows that a training or all trainings of a curve see, in times the rows there are; a curve's last is given."""
    shares = params.get("shares")
    parts = [float(str(share)) for share in shares][:-1] if isinstance(shares, list) else [1.0]
    return sum(share * min(int(str(params.get("draws", 1))), int(1 / share)) for share in parts)
