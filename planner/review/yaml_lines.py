"""YAML into plain values with the line of each: nothing is built that was not written, and no object is made."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from planner.survey.problems import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

# Configurations nest some five levels and hold some hundred values.
MAX_DEPTH = 64
MAX_VALUES = 50_000
_TAG = "tag:yaml.org,2002:"
# What YAML 1.1 reads as text and every one of these tools as a number: 2e-5.
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+")


class SyntaxProblemError(Exception):
    """Text that is not what its syntax allows; the message ends with a period."""

    def __init__(self, message: str, line: int | None = None, fix: str = "Correct the file.") -> None:
        self.line = line
        self.fix = fix
        super().__init__(message)


def yaml_values(text: str, lines: dict[str, int]) -> Any:
    """The value of the one document in a text; `lines` is filled with the line of each value by JSON pointer.

    Raises:
        SyntaxProblemError: broken syntax, several documents, a repeated key, a tag of a program's objects, too deep
            nesting, or aliases that unfold to far more than was written.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _refuse_deep(yaml.parse(text, Loader=loader))
        node = yaml.compose(text, Loader=loader)
        return None if node is None else _Build(loader, lines).value(node, "", 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = shown(str(error.problem or error.context or "it cannot be parsed"))
        several = "expected a single document" in str(error.context)
        fix = "Give one file for each document." if several else "Correct the file."
        if several:
            what = "it holds several documents"
        column = f" (column {mark.column + 1})" if mark and not several else ""
        raise SyntaxProblemError(f"{what}{column}.", mark.line + 1 if mark else None, fix) from None
    except yaml.reader.ReaderError as error:
        raise SyntaxProblemError(f"{shown(str(error.reason))} at character {error.position}.") from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise SyntaxProblemError(f"{shown(str(error))}.") from None


def _refuse_deep(events: Iterable[Any]) -> None:
    """Look at the nesting first, event by event: composing 100,000 brackets would crash the process."""
    depth = 0
    for event in events:
        name = type(event).__name__
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1
            raise SyntaxProblemError(f"it is nested more than {MAX_DEPTH} levels deep.", line)


class _Build:
    """Makes plain values of composed nodes, and stops as soon as they are too many."""

    def __init__(self, loader: Any, lines: dict[str, int]) -> None:
        self._scalars = loader("")
        self._lines = lines
        self._open: set[int] = set()
        self._left = MAX_VALUES

    def value(self, node: Any, pointer: str, depth: int) -> Any:
        line = node.start_mark.line + 1
        self._left -= 1
        if self._left < 0:
            raise SyntaxProblemError(f"its aliases unfold to more than {MAX_VALUES:,} values.", line)
        if id(node) in self._open:
            raise SyntaxProblemError("an alias contains itself.", line, "Write the value out.")
        if depth > MAX_DEPTH:
            raise SyntaxProblemError(f"it is nested more than {MAX_DEPTH} levels deep.", line)
        self._lines.setdefault(pointer, line)
        if node.id == "scalar":
            return self._scalar(node, line)
        if not node.tag.startswith(_TAG) or node.tag.startswith(f"{_TAG}python"):
            raise _foreign(node.tag, line)
        self._open.add(id(node))
        if node.id == "sequence":
            made: Any = [self.value(item, f"{pointer}/{index}", depth + 1) for index, item in enumerate(node.value)]
        else:
            made = self._mapping(node, pointer, depth)
        self._open.discard(id(node))
        return made

    def _mapping(self, node: Any, pointer: str, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if key.id != "scalar":
                raise SyntaxProblemError("a key is a list or a mapping.", line, "Write keys as plain words.")
            if key.tag == f"{_TAG}merge":
                # Its lines are those of the mapping that is merged in.
                found = self.value(item, pointer, depth + 1)
                for each in found if isinstance(found, list) else [found]:
                    merged |= each if isinstance(each, dict) else {}
                continue
            if key.value in made:
                raise SyntaxProblemError(f"the key `{shown(key.value)}` is written twice.", line, "Keep one.")
            place = f"{pointer}/{key.value.replace('~', '~0').replace('/', '~1')}"
            self._lines[place] = line
            made[key.value] = self.value(item, place, depth + 1)
        return {**merged, **made}

    def _scalar(self, node: Any, line: int) -> Any:
        if not node.tag.startswith(_TAG) or node.tag.startswith(f"{_TAG}python"):
            raise _foreign(node.tag, line)
        if node.tag in (f"{_TAG}timestamp", f"{_TAG}binary"):
            return node.value
        if node.tag == f"{_TAG}str":
            plain = node.style is None and _NUMBER.fullmatch(node.value)
            return float(node.value) if plain else node.value
        try:
            made = self._scalars.construct_object(node)
        except (ValueError, LookupError, TypeError, AttributeError):
            kind = node.tag.removeprefix(_TAG)
            raise SyntaxProblemError(f"`{shown(node.value)}` is no {kind}.", line, "Correct the value.") from None
        if isinstance(made, float) and not math.isfinite(made):
            raise SyntaxProblemError(f"`{node.value}` is not a finite number.", line, "Write a number or null.")
        return made


def _foreign(tag: str, line: int) -> SyntaxProblemError:
    what = f"the tag `{shown(tag)}` is not plain YAML"
    return SyntaxProblemError(f"{what}; nothing that a file names is run or built.", line, "Write the value out.")
