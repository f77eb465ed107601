"""A configuration as rules see it: settings in one vocabulary, each with its place in the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Finding, Plan
    from planner.documents.review import Setting, Tool


@dataclass(frozen=True)
class Configuration:
    """One file that was read."""

    file: str
    tool: Tool
    recognised_by: tuple[str, ...] = ()
    folder: Path = Path()
    """Where its relative paths start."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    """What is wrong with single values, before any rule."""
    plan: Plan | None = None
    """Of one of our own files: the plan, or the plan of the spec."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """The file as it was written, to be quoted."""
    edited: bool = False
    """Whether a plan is not what its digest says."""

    def get(self, name: str) -> Any:
        """The value of a setting, `Unknown` when neither the file nor the tool's documentation gives one."""
        setting = self.settings.get(name)
        return Unknown(f"the file does not say {name}") if setting is None else setting.value

    def value(self, name: str, default: Any = None) -> Any:
        """The value of a setting, or something else when it is not known."""
        setting = self.settings.get(name)
        return default if setting is None else setting.value

    def stated(self, name: str) -> bool:
        """Whether the file itself sets it."""
        setting = self.settings.get(name)
        return setting is not None and setting.stated

    def written(self, name: str) -> Any:
        """What the file itself says of a setting, None when it says nothing or more than one value."""
        setting = self.settings.get(name)
        here: Any = self.values
        for part in (setting.where.pointer or "").split("/")[1:] if setting else ():
            key = part.replace("~1", "/").replace("~0", "~")
            here = here[int(key)] if isinstance(here, list) else here.get(key) if isinstance(here, dict) else None
        return None if isinstance(here, dict | list) else here
