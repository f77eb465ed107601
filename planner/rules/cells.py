"""The comparisons of rule tables: one test a cell, on one fact."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from planner.documents import JsonValue

Scalar = bool | int | float | str
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">=": operator.ge,
    ">": operator.gt,
}
_OPPOSITE = {"<": ">=", "<=": ">", ">=": "<", ">": "<=", "=": "!=", "!=": "=", "in": "not in", "..": "outside"}
_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_OPERAND = rf"{_NUMBER}|\$[a-z][a-z0-9_]*"
_COMPARISON = re.compile(rf"^(<=|>=|!=|<|>|=)\s*({_OPERAND}|[A-Za-z][\w+. -]*)$")
_RANGE = re.compile(rf"^({_OPERAND})\.\.({_OPERAND})$")
_LIST = re.compile(r"^in\s*\[(.*)\]$")
_WORD = re.compile(r"^[A-Za-z][\w+. -]*$")
_THRESHOLD = re.compile(r"\$([a-z][a-z0-9_]*)")


class CellError(ValueError):
    """A cell that is not one comparison; the message says what is allowed."""


@dataclass(frozen=True)
class Test:
    """One comparison: an operator and its operands, thresholds already replaced by their values."""

    op: str
    operands: tuple[Scalar, ...]
    thresholds: tuple[str, ...] = field(default=(), compare=False)
    """Names of the thresholds that the operands come from."""

    @cached_property
    def text(self) -> str:
        """The comparison as a cell writes it, made once."""
        return str(self)

    def holds(self, value: JsonValue) -> bool:
        """Whether a known value passes; a value of another type does not."""
        if self.op in ("=", "in"):
            return any(_same(value, operand) for operand in self.operands)
        if self.op == "!=":
            return not _same(value, self.operands[0])
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        numbers = [float(operand) for operand in self.operands]
        if self.op == "..":
            return numbers[0] <= value <= numbers[1]
        return _ORDER[self.op](value, numbers[0])

    def __str__(self) -> str:
        words = [_word(operand) for operand in self.operands]
        if self.op == "in":
            return f"in [{', '.join(words)}]"
        if self.op == "..":
            return f"{words[0]}..{words[1]}"
        return f"{self.op} {words[0]}"

    def opposite(self) -> str:
        """The condition under which the test fails, in the same words."""
        text = str(self)
        if self.op in ("=", "!=") and isinstance(self.operands[0], bool):
            return f"= {_word(self.operands[0] if self.op == '!=' else not self.operands[0])}"
        if self.op == "..":
            return f"outside {text}"
        return text.replace(self.op, _OPPOSITE[self.op], 1)

    def kind(self) -> str:
        """The type of fact that the test can be put to: `bool`, `number` or `word`."""
        first = self.operands[0]
        if isinstance(first, bool):
            return "bool"
        return "word" if isinstance(first, str) else "number"

    def disjoint(self, other: Test) -> bool:
        """Whether no value passes both tests; False when that cannot be shown."""
        if self.op in ("=", "in"):
            return not any(other.holds(operand) for operand in self.operands)
        if other.op in ("=", "in"):
            return other.disjoint(self)
        if "!=" in (self.op, other.op):
            return False
        low, low_open = max(self._low(), other._low())
        high, high_closed = min(self._high(), other._high())
        return low > high or (low == high and (low_open == 1 or high_closed == 0))

    def implies(self, other: Test, words: Sequence[str] = ()) -> bool:
        """Whether every value that passes this test passes the other; False when that cannot be shown.

        Args:
            other: a test of the same fact.
            words: all words that the fact can be, where they are known.
        """
        one, two = self._listed(words), other._listed(words)
        if one.op in ("=", "in"):
            return all(two.holds(operand) for operand in one.operands)
        if two.op == "!=":
            return (one.op == "!=" and one.operands == two.operands) or one.disjoint(Test("=", two.operands))
        if two.op in ("=", "in"):
            return one.op == ".." and one.operands[0] == one.operands[1] and two.holds(one.operands[0])
        if one.op == "!=":
            return False
        (low, low_open), (high, high_closed) = one._low(), one._high()
        return (low, low_open) >= two._low() and (high, high_closed) <= two._high()

    def _listed(self, words: Sequence[str]) -> Test:
        """The same test as a list of what passes, where that is finite."""
        everything: Sequence[Scalar] = (True, False) if self.kind() == "bool" else words
        if self.op == "!=" and everything:
            return Test("in", tuple(word for word in everything if word != self.operands[0]))
        return self

    def _low(self) -> tuple[float, int]:
        """Lower end, and 1 when the end itself is excluded (so that `max` prefers the tighter one)."""
        if self.op in (">", ">=", ".."):
            return float(self.operands[0]), int(self.op == ">")
        return float("-inf"), 1

    def _high(self) -> tuple[float, int]:
        """Upper end, and 0 when the end itself is excluded (so that `min` prefers the tighter one)."""
        if self.op in ("<", "<=", ".."):
            return float(self.operands[-1]), int(self.op != "<")
        return float("inf"), 0


def parse_cell(cell: JsonValue, thresholds: Mapping[str, float]) -> Test:
    """Read one cell of a rule.

    Args:
        cell: `true`, `false`, a number, a word, `in [a, b]`, `< 3`, `>= $threshold`, `1..5`.
        thresholds: values of the named thresholds.

    Raises:
        CellError: it is none of these, or names a threshold that does not exist.
    """
    test = _parsed(cell, thresholds)
    names = tuple(_THRESHOLD.findall(cell)) if isinstance(cell, str) else ()
    return replace(test, thresholds=names) if names else test


def _parsed(cell: JsonValue, thresholds: Mapping[str, float]) -> Test:
    if isinstance(cell, bool | int | float):
        return Test("=", (cell,))
    if not isinstance(cell, str):
        raise CellError(f"{cell!r} is not one comparison")
    text = cell.strip()
    if match := _RANGE.match(text):
        return _range(text, _operand(match[1], thresholds), _operand(match[2], thresholds))
    if match := _COMPARISON.match(text):
        return _comparison(text, match[1], _operand(match[2], thresholds))
    if match := _LIST.match(text):
        words = [word.strip() for word in match[1].split(",")]
        if all(words):
            return _list(text, tuple(_operand(word, thresholds) for word in words))
    elif _WORD.match(text) and ".." not in text:
        return Test("=", (_operand(text, thresholds),))
    raise CellError(f"{cell!r} is not one comparison")


def _range(text: str, low: Scalar, high: Scalar) -> Test:
    if low > high:  # type: ignore[operator]  # both are numbers by the pattern
        raise CellError(f"{text!r} is a range that holds nothing: its ends are the wrong way round")
    return Test("..", (low, high))


def _comparison(text: str, op: str, operand: Scalar) -> Test:
    if op in _ORDER and (isinstance(operand, bool) or not isinstance(operand, int | float)):
        raise CellError(f"{text!r} orders a word; `{op}` compares numbers")
    return Test(op, (operand,))


def _list(text: str, operands: tuple[Scalar, ...]) -> Test:
    if len({Test("=", (operand,)).kind() for operand in operands}) > 1:
        raise CellError(f"{text!r} mixes words and numbers")
    return Test("in", operands)


def _operand(text: str, thresholds: Mapping[str, float]) -> Scalar:
    if text.startswith("$"):
        if text[1:] not in thresholds:
            raise CellError(f"there is no threshold {text}")
        return thresholds[text[1:]]
    if re.fullmatch(_NUMBER, text):
        return float(text) if re.search(r"[.eE]", text) else int(text)
    return text == "true" if text in ("true", "false") else text


def _same(value: JsonValue, operand: Scalar) -> bool:
    # In Python True == 1; in a table they are different answers.
    return isinstance(value, bool) == isinstance(operand, bool) and value == operand


def _word(operand: Scalar) -> str:
    """An operand as a cell says it; reading it back gives an equal one."""
    if isinstance(operand, bool):
        return str(operand).lower()
    if isinstance(operand, float):
        short = f"{operand:g}"
        return short if float(short) == operand else repr(operand)
    return operand if isinstance(operand, str) else str(operand)
