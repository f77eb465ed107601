"""Facts: named, typed, cited functions whose arguments are the spec, the survey, other facts or decisions."""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PLAN_INPUTS = frozenset({"spec", "survey", "thresholds"})
"""What the facts of a plan may start from."""
REVIEW_INPUTS = frozenset({"configuration", "options", "thresholds"})
"""What the facts of a review may start from: the settings of a configuration, and what is known beside them."""
INPUTS = PLAN_INPUTS | REVIEW_INPUTS


@dataclass(frozen=True)
class Unknown:
    """A value that nobody has given or measured, and why."""

    reason: str


@dataclass(frozen=True)
class Fact:
    """A fact's function with what the record says of it."""

    name: str
    compute: Callable[..., Any]
    needs: tuple[str, ...]
    tolerates: frozenset[str]
    """Arguments that may be unknown; with any other unknown the fact is unknown too."""
    kind: str
    """`bool`, `number` or `word`: what a rule may compare it with."""
    unit: str
    cite: tuple[str, ...]
    words: tuple[str, ...] = ()
    """All words that it can be, where they are known."""

    @property
    def doc(self) -> str:
        """What the fact is, in one sentence."""
        return (inspect.getdoc(self.compute) or "").split("\n\n")[0].replace("\n", " ")


FACTS: dict[str, Fact] = {}


def fact(
    *, unit: str = "", cite: tuple[str, ...] = (), words: tuple[str, ...] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as the fact of its name.

    Args:
        unit: unit of its value, such as `rows`, `tokens`, `bytes`; empty for words and yes or no.
        cite: keys of the catalog's references that its formula rests on.
        words: all words that it can be, where the list is closed; a rule that compares it with another is refused.
    """

    def register(compute: Callable[..., Any]) -> Callable[..., Any]:
        name = compute.__name__
        if name in FACTS:
            raise ValueError(f"two facts are named {name}")
        hints = {key: str(text) for key, text in inspect.get_annotations(compute).items()}
        needs = tuple(inspect.signature(compute).parameters)
        tolerates = frozenset(need for need in needs if "Unknown" in hints.get(need, ""))
        result = hints.get("return", "")
        kind = "bool" if "bool" in result else "number" if "int" in result or "float" in result else "word"
        FACTS[name] = Fact(name, compute, needs, tolerates, kind, unit, cite, words)
        return compute

    return register


class Board:
    """The values of one evaluation: inputs, facts computed when first looked at, and answers as they are given."""

    def __init__(self, inputs: Mapping[str, Any], facts: Mapping[str, Fact] = FACTS) -> None:
        self._facts = facts
        self._values: dict[str, Any] = dict(inputs)

    def answer(self, question: str, value: Any) -> None:
        """Put down the answer of a decision, for facts that build on it."""
        self._values[question] = Unknown(f"nothing answers {question}") if value is None else value

    def get(self, name: str) -> Any:
        """The value of a fact, input or decision; `Unknown` when it has none.

        Raises:
            KeyError: there is no such name.
        """
        if name in self._values:
            return self._values[name]
        entry = self._facts[name]
        arguments = {need: self.get(need) for need in entry.needs}
        missing = [
            value for need, value in arguments.items() if isinstance(value, Unknown) and need not in entry.tolerates
        ]
        value = missing[0] if missing else entry.compute(**arguments)
        self._values[name] = value
        return value

    def known(self) -> dict[str, Any]:
        """Every fact that was looked at, by name."""
        return {name: value for name, value in sorted(self._values.items()) if name in self._facts}


def dependencies(names: typing.Iterable[str], facts: Mapping[str, Fact]) -> set[str]:
    """Everything that some facts build on, down to inputs and decisions."""
    seen: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += facts[name].needs if name in facts else ()
    return seen
