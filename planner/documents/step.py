"""A step of a plan: one piece of work with its reasons, its budget and its gates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.documents.base import JsonValue, ReadAhead
from planner.documents.environment import Environment

ADDRESS = r"^[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9.-]*)+$"
Address = Annotated[str, Field(pattern=ADDRESS)]
# What the address of a step ends with that measures a rung on a few rows first.
SCREEN = "-screen"


class Estimate(ReadAhead):
    """A figure with its interval."""

    low: float
    expected: float
    high: float
    unit: Literal["bytes", "s", "USD", "tokens", "Wh"]
    assumptions: tuple[str, ...] = ()
    provenance: Literal["exact", "closed form", "calibrated", "assumed"] = "closed form"


class Input(ReadAhead):
    """What a step reads: an output of an earlier step, or a pinned file."""

    step: Address | None = None
    output: str | None = None
    pin: str | None = None


class Gate(ReadAhead):
    """A test on measured metrics: before a step it skips, after a step it stops the run.

    All gates of a step must pass; gates of the same name are alternatives, of which one is enough.
    """

    name: str
    """What the gate asks, such as `target not met yet`."""
    when: Literal["before", "after"]
    metric: str
    steps: tuple[Address, ...]
    """The steps whose results are looked at; those that were skipped do not count."""
    combine: Literal["best", "last"] = "best"
    """With several results: the highest value, or the last in plan order."""
    bound: Literal["low", "value", "high"] = "value"
    """Which end of the confidence interval is compared."""
    against: Address | None = None
    """Compare the difference to this step's value of the metric instead: what the looked-at step has more."""
    test: str
    """A comparison with a number, such as `< 0.8`."""
    otherwise: Literal["skip", "stop"] = "skip"
    because: str = ""


class Retry(ReadAhead):
    """What to change when a step fails in a known way; the effective batch stays as planned."""

    on: Literal["oom", "infrastructure", "preempted"]
    set: dict[str, JsonValue] = {}
    because: str = ""


class Reason(ReadAhead):
    """The decision that a step, or one of its parameters, follows from."""

    decision: str
    answer: JsonValue = None
    because: str


class Resources(ReadAhead):
    """What a step needs of the machine."""

    device: Literal["cpu", "accelerator"] = "cpu"
    device_memory: Estimate | None = None
    host_memory: Estimate | None = None
    disk: Estimate | None = None
    time: Estimate | None = None


class Step(ReadAhead):
    """One piece of work, at an address that never changes its meaning."""

    address: Address
    title: str
    executor: str
    version: str
    """Version of the executor's contract; a run refuses another."""
    environment: Environment | None = None
    """The environment that its worker runs in; null for the one that `adapt` runs in."""
    needs: tuple[Address, ...] = ()
    inputs: dict[str, Input] = {}
    params: dict[str, JsonValue] = {}
    """Every parameter, explicit: nothing is left to a library's default."""
    outputs: tuple[str, ...] = ()
    """Names of the artifacts that the step leaves."""
    rung: str | None = None
    """The rung of the ladder whose score this step measures."""
    gates: tuple[Gate, ...] = ()
    retry: tuple[Retry, ...] = ()
    checkpoint_s: float | None = None
    """Longest time between two checkpoints, in seconds; null when the step restarts from its beginning."""
    resources: Resources = Resources()
    known_now: dict[str, JsonValue] = {}
    """What is promised: true before the run and after it."""
    known_after: tuple[str, ...] = ()
    """What only the run can tell."""
    reasons: tuple[Reason, ...] = ()
    recipe_key: str = ""
    """Digest of executor, version, parameters and the recipes that the step builds on."""
