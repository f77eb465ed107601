"""The settings of another tool, filled from a step's parameters, with what the tool has no word for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from planner.documents import Finding, Where

if TYPE_CHECKING:
    from planner.documents.finding import Severity

# How a parameter is said: by another name, by a word for each of its values, or by a function.
Way = str | tuple[str, Mapping[Any, Any]] | Callable[["Sheet", Any], None]


class Sheet:
    """Settings in the order in which they are said; what was never asked for is told as not said."""

    def __init__(self, tool: str, address: str, params: Mapping[str, Any]) -> None:
        self.tool, self.address, self.params = tool, address, params
        self.settings: dict[str, Any] = {}
        self.findings: list[Finding] = []
        self._asked: set[str] = set()

    def get(self, name: str) -> Any:
        """A parameter's value, None where the step has none; it counts as said."""
        self._asked.add(name)
        return self.params.get(name)

    def put(self, **settings: Any) -> None:
        """State settings of the tool."""
        self.settings |= settings

    def fill(self, ways: Mapping[str, Way]) -> None:
        """Say the parameters of a table, in its order; those that the step has not are passed over."""
        for name, way in ways.items():
            value = self.get(name)
            if value is None:
                continue
            if isinstance(way, str):
                self.settings[way] = value
            elif isinstance(way, tuple):
                self._by_word(name, value, *way)
            else:
                way(self, value)

    def unsaid(self, name: str, because: str, fix: str = "", *, severity: Severity = "warning") -> None:
        """Tell that a parameter is not said, or not as it was planned: a note where only speed or files change."""
        self._asked.add(name)
        where = Where(pointer=f"/steps/{self.address.replace('/', '~1')}/params/{name}")
        self.findings.append(Finding(code="EXPORT010", severity=severity, message=because, fix=fix, where=where))

    def close(self) -> None:
        """Tell every parameter that was not asked for."""
        if self.get("share_prefix"):
            because = f"The beginning that rows share is computed once in the plan; {self.tool} reads it in every row."
            self.unsaid("share_prefix", because, "Only speed differs.", severity="note")
        if self.get("compile") == "trial":
            because = f"Layers are compiled in the plan where a trial shows that it pays; {self.tool} is not told to."
            self.unsaid("compile", because, "Try its switch for torch.compile; only speed differs.", severity="note")
        for name, value in self.params.items():
            if name not in self._asked and value is not None:
                self.unsaid(name, f"{self.tool} is not told {name} {shown(value)}: it has no word for it.")

    def _by_word(self, name: str, value: Any, setting: str, words: Mapping[Any, Any]) -> None:
        if value in words:
            self.settings[setting] = words[value]
        else:
            self.unsaid(name, f"{self.tool} has no word for {name} {shown(value)}.")


def shown(value: object) -> str:
    """A parameter's value as people read it."""
    return "on" if value is True else "off" if value is False else str(value)
