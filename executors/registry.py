"""Which executors, places and metrics there are: built in, and from packages through entry points."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal, cast

from planner.documents import Finding, InputError, near

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.contract import Executor
    from executors.places.place import PlaceFactory

BUILT_IN = "built in"
_EXECUTORS = {
    "baselines": "executors.evaluate:Baselines",
    "data-need": "executors.data_need:DataNeed",
    "diagnose": "executors.diagnose:Diagnose",
    "distill": "executors.distill:Distill",
    "ensemble": "executors.evaluate:Ensemble",
    "equivalence": "executors.equivalence:Equivalence",
    "evaluate": "executors.evaluate:Evaluate",
    "linear-probe": "executors.train:FitProbe",
    "merge": "executors.merge:Merge",
    "merge-models": "executors.merge:MergeModels",
    "prepare": "executors.prepare:Prepare",
    "probes": "executors.evaluate:Probes",
    "prompt": "executors.prompt:Prompt",
    "prompt-search": "executors.search:PromptSearch",
    "quantize": "executors.quantize:Quantize",
    "reload": "executors.quantize:Reload",
    "retrieve": "executors.retrieve:Retrieve",
    "rewrite": "executors.evaluate:Rewrite",
    "train": "executors.train:Train",
}
_PLACES = {"local": "executors.places.local:LocalPlace"}


@dataclass(frozen=True)
class Entry:
    """One executor, place or metric, as `adapt doctor` lists it."""

    name: str
    target: str
    """`module:attribute`."""
    source: str
    """`built in`, or the package that provides it."""
    state: Literal["ok", "broken"] = "ok"
    message: str = ""
    """Why it is broken, in one sentence."""


@dataclass(frozen=True)
class Registry:
    """Names to `module:attribute`; nothing is imported before it is asked for.

    A test, or the author of an executor, passes one of their own to `run_plan`; a plan can name what is in here and
    nothing else.
    """

    targets: Mapping[str, str]
    sources: Mapping[str, str] = field(default_factory=dict)
    """Name to package, for what is not built in."""
    kind: Literal["executor", "place", "metric"] = "executor"

    def target(self, name: str) -> str:
        """The `module:attribute` of a name.

        Raises:
            InputError: there is none of this name.
        """
        if name not in self.targets:
            message = f"There is no {self.kind} `{name}` here."
            fix = near(name, self.targets) or (
                f"Install the package that provides it; here are: {', '.join(sorted(self.targets)) or 'none'}."
            )
            raise InputError([Finding(code="RUN160", severity="error", message=message, fix=fix)])
        return self.targets[name]

    def load(self, name: str) -> Any:
        """What a name stands for, imported; an executor is also made.

        Raises:
            InputError: it is not here, or it does not load.
        """
        target = self.target(name)
        try:
            loaded = load_target(target)
            if self.kind == "metric":
                return _function(loaded)
            return make_executor(loaded) if self.kind == "executor" else loaded
        except Exception as error:
            message = f"The {self.kind} `{name}` ({target}) does not load: {_first_line(error)}."
            finding = Finding(code="RUN161", severity="error", message=message, fix=self._cure(name, error))
            raise InputError([finding]) from error

    def entries(self) -> list[Entry]:
        """Everything here, sorted by name; what does not load is a row that says why."""
        return [self._entry(name) for name in sorted(self.targets)]

    def _entry(self, name: str) -> Entry:
        entry = Entry(name=name, target=self.targets[name], source=self.sources.get(name, BUILT_IN))
        try:
            self.load(name)
        except InputError as error:
            return replace(entry, state="broken", message=str(error))
        return entry

    def _cure(self, name: str, error: Exception) -> str:
        if name in self.sources:
            return f"Update or remove the package {self.sources[name]}."
        return "Install what it needs: pip install 'adapt-planner[run]'." if isinstance(error, ImportError) else ""


@cache
def executor_registry() -> Registry:
    """The executors of this installation."""
    return _registry("adapt.executors", _EXECUTORS, "executor")


@cache
def place_registry() -> Registry:
    """The places of this installation."""
    return _registry("adapt.places", _PLACES, "place")


@cache
def metric_registry() -> Registry:
    """The metrics that installed packages add: functions from a case (`executors.evaluate.case.Case`) to 0..1."""
    return _registry("adapt.metrics", {}, "metric")


def load_target(target: str) -> Any:
    """Import what `module:attribute` names.

    Raises:
        Exception: whatever the import raises.
    """
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def load_executor(registry: Registry, name: str) -> Executor:
    """An executor by name.

    Raises:
        InputError: it is not here, or it does not load.
    """
    return cast("Executor", registry.load(name))


def make_executor(loaded: Any) -> Executor:
    """An executor from its class, or from an object that is one already."""
    return cast("Executor", loaded() if isinstance(loaded, type) else loaded)


def load_place(name: str) -> PlaceFactory:
    """A place by name.

    Raises:
        InputError: it is not here, or it does not load.
    """
    return cast("PlaceFactory", place_registry().load(name))


def _registry(group: str, built_in: Mapping[str, str], kind: Literal["executor", "place", "metric"]) -> Registry:
    targets, sources = dict(built_in), {}
    for point in sorted(metadata.entry_points(group=group), key=lambda point: point.name):
        # A package cannot replace what is built in: the plan's word for it must not change its meaning.
        if point.name not in built_in:
            targets[point.name] = point.value
            sources[point.name] = point.dist.name if point.dist is not None else "unknown"
    return Registry(targets=targets, sources=sources, kind=kind)


def _function(loaded: Any) -> Any:
    if not callable(loaded):
        raise TypeError("it is no function")
    return loaded


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}".rstrip(".")
