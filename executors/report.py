"""What a run comes to: every step with its reason, the rungs of the ladder, and what it cost."""

from __future__ import annotations

from typing import Literal

from executors.comparison import Comparison
from executors.forms import Form
from executors.regret import Regret
from planner.documents import Artifact, Cost, JsonValue, Measurement, ReadAhead, StepError

StepStatus = Literal["waiting", "running", "done", "cached", "skipped", "failed"]
RunStatus = Literal["running", "done", "stopped", "failed", "interrupted"]
_FINISHED = frozenset({"done", "cached"})
_EXIT_CODES: dict[RunStatus, int] = {"done": 0, "running": 0, "failed": 1, "stopped": 3, "interrupted": 130}


class StepReport(ReadAhead):
    """How one step came out."""

    address: str
    title: str
    executor: str
    rung: str | None = None
    status: StepStatus = "waiting"
    """`done` in this run, `cached`: done before and reused, unchanged."""
    reason: str = ""
    """Why it was skipped, reused, or failed; in one sentence."""
    attempt: int | None = None
    metrics: dict[str, Measurement] = {}
    artifacts: dict[str, Artifact] = {}
    notes: dict[str, JsonValue] = {}
    params: dict[str, JsonValue] = {}
    """Parameters as they took effect, after retries."""
    seconds: float | None = None
    """What the step took when it was done, also when it is reused now, in seconds."""
    cost: Cost | None = None
    error: StepError | None = None
    log: str | None = None
    """The log of the last attempt, relative to the state folder."""

    @property
    def finished(self) -> bool:
        """Whether its result is there, from this run or one before."""
        return self.status in _FINISHED


class RungReport(ReadAhead):
    """One rung of the ladder: what it scored and what followed from it."""

    rung: str
    step: str
    status: StepStatus
    metrics: dict[str, Measurement] = {}
    """The metrics that gates or the target look at."""
    met: bool | None = None
    """Whether this rung meets the target; None when it was not measured or nobody set one."""
    seconds: float | None = None
    """The rung's own work in seconds: its step and what only it needed."""
    decision: str = ""
    """What followed, in one clause."""
    gain: Comparison | None = None
    """Against the best rung before it, on the same cases."""

    @property
    def finished(self) -> bool:
        """Whether it was measured, in this run or one before."""
        return self.status in _FINISHED


class RunReport(ReadAhead):
    """A run from its first step to its last."""

    format: Literal["adapt.report/1"] = "adapt.report/1"
    run: str
    plan: str
    """Digest of the plan."""
    name: str
    status: RunStatus
    because: str
    """The outcome in one sentence."""
    target: dict[str, float] = {}
    reached: str | None = None
    """The rung that met the target."""
    steps: tuple[StepReport, ...]
    rungs: tuple[RungReport, ...] = ()
    regressions: tuple[Comparison, ...] = ()
    """What training changed of other skills and of the answers to probes that were measured before and after it."""
    equivalence: tuple[Form, ...] = ()
    """The forms of the result, each held against what was measured on the same prompts."""
    regret: Regret | None = None
    """What the gates would have picked, when every rung was measured."""
    outputs: dict[str, str] = {}
    """What the plan leaves, as far as it was made: a name to a path relative to the state folder."""
    cost: Cost
    """Of all steps together, reused ones included; memory is the highest of any."""
    wall_s: float
    """Seconds that this call took; reused work took none of them."""

    @property
    def exit_code(self) -> int:
        """The exit code of the command line: 0 done, 1 failed, 3 a gate said no, 130 interrupted."""
        return _EXIT_CODES[self.status]
