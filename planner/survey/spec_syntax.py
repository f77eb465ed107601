"""JSON, YAML and TOML into plain values, with the place of every syntax error."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from planner.documents import Finding, InputError
from planner.survey.problems import pointer_to, problem, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

# A spec nests a dozen levels and holds some hundred values; a schema inside it may hold more.
MAX_DEPTH = 64
MAX_YAML_NODES = 100_000
_SYNTAX_OF_SUFFIX = {".json": "JSON", ".yaml": "YAML", ".yml": "YAML", ".toml": "TOML"}
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class _SyntaxError(Exception):
    def __init__(self, message: str, line: int | None = None, fix: str = "Correct the file.") -> None:
        self.line = line
        self.fix = fix
        super().__init__(message)


def parse_text(text: str, name: str) -> Any:
    """The value that a text holds; its syntax follows from the file's suffix, else from the content.

    Args:
        text: content of the file.
        name: path of the file as the user wrote it.

    Raises:
        InputError: the text is empty, breaks its syntax, repeats a key, or holds what JSON cannot say.
    """
    if not text.strip():
        raise InputError([problem("SPEC020", f"`{name}` is empty.", _MINIMAL, file=name)])
    syntax = _SYNTAX_OF_SUFFIX.get(name[name.rfind(".") :].lower()) or _guess(text)
    try:
        data = {"JSON": _json, "YAML": _yaml, "TOML": _toml}[syntax](text)
    except _SyntaxError as error:
        found = problem("SPEC021", f"`{name}` is not valid {syntax}: {error}", error.fix, file=name, line=error.line)
        raise InputError([found]) from None
    except RecursionError:
        raise InputError([problem("SPEC022", f"`{name}` is nested too deeply to be read.", file=name)]) from None
    impure = _impurities(data, name)
    if impure:
        raise InputError(impure)
    return data


_MINIMAL = 'A minimal spec is {"task": {"description": "..."}, "models": [{"id": "..."}]}.'


def _guess(text: str) -> str:
    start = text.lstrip()
    if start.startswith("{"):
        return "JSON"
    first = next((line for line in start.splitlines() if line.strip() and not line.startswith("#")), "")
    return "TOML" if re.match(r"\[|[A-Za-z0-9_.\"-]+\s*=", first) else "YAML"


def _json(text: str) -> Any:
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) < len(items):
            names = [key for key, _ in items]
            repeated.extend(key for key in result if names.count(key) > 1)
        return result

    try:
        data = json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise _SyntaxError(f"{error.msg} (column {error.colno}).", error.lineno) from None
    except ValueError as error:
        raise _SyntaxError(f"{shown(str(error))}.") from None
    if repeated:
        line = _line_of_repetition(text, repeated[0])
        raise _SyntaxError(f"the key `{shown(repeated[0])}` is written twice in one object.", line, "Keep one.")
    return data


def _line_of_repetition(text: str, key: str) -> int | None:
    """The line of the second place where a key stands; a guess when other objects hold the same key."""
    places = [match.start() for match in re.finditer(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:", text)]
    return text.count("\n", 0, places[-1]) + 1 if len(places) > 1 else None


def _toml(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _TOML_PLACE.search(message)
        line = int(place[1]) if place and place[1] else None
        column = f" (column {place[2]})" if place and place[2] else ""
        raise _SyntaxError(_TOML_PLACE.sub("", message) + column + ".", line) from None
    except ValueError as error:
        raise _SyntaxError(f"{shown(str(error))}.") from None


def _yaml(text: str) -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _refuse_deep(yaml.parse(text, Loader=base))
        loader = base(text)
        try:
            node = loader.get_single_node()
            _check_yaml(node)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = shown(str(error.problem or error.context or "it cannot be parsed"))
        column = f" (column {mark.column + 1})" if mark else ""
        raise _SyntaxError(f"{what}{column}.", mark.line + 1 if mark else None) from None
    except yaml.reader.ReaderError as error:
        raise _SyntaxError(f"{shown(str(error.reason))} at character {error.position}.") from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise _SyntaxError(f"{shown(str(error))}.") from None


def _refuse_deep(events: Iterable[Any]) -> None:
    """Look at the nesting first, event by event: libyaml's own reader crashes the process on 100,000 brackets."""
    depth = 0
    for event in events:
        name = type(event).__name__
        if name.endswith("StartEvent"):
            depth += 1
        elif name.endswith("EndEvent"):
            depth -= 1
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1
            raise _SyntaxError(f"it is nested more than {MAX_DEPTH} levels deep.", line)


def _check_yaml(root: Any) -> None:
    """Refuse repeated keys, cycles, and aliases that unfold to far more than was written."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Any, depth: int) -> int:
        known = sizes.get(id(node))
        if known is not None:
            return known
        line = node.start_mark.line + 1
        if id(node) in open_nodes:
            raise _SyntaxError("an alias contains itself.", line, "Write the value out.")
        if depth > MAX_DEPTH:
            raise _SyntaxError(f"it is nested more than {MAX_DEPTH} levels deep.", line)
        open_nodes.add(id(node))
        total = 1
        if node.id == "mapping":
            _refuse_repeated(node)
            total += sum(size(key, depth + 1) + size(value, depth + 1) for key, value in node.value)
        elif node.id == "sequence":
            total += sum(size(item, depth + 1) for item in node.value)
        if total > MAX_YAML_NODES:
            raise _SyntaxError(f"its aliases unfold to more than {MAX_YAML_NODES:,} values.", line)
        open_nodes.discard(id(node))
        sizes[id(node)] = total
        return total

    if root is not None:
        size(root, 0)


def _refuse_repeated(node: Any) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.id != "scalar" or key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.value in seen:
            line = key.start_mark.line + 1
            raise _SyntaxError(f"the key `{shown(key.value)}` is written twice in one mapping.", line, "Keep one.")
        seen.add(key.value)


def _impurities(data: Any, name: str) -> list[Finding]:
    """Values that no JSON document can hold: keys that are not text, numbers that are not finite, half characters."""
    found: list[Finding] = []
    stack: list[tuple[Any, tuple[str | int, ...]]] = [(data, ())]
    while stack:
        value, path = stack.pop()
        if len(path) > MAX_DEPTH:
            return [problem("SPEC022", f"`{name}` is nested more than {MAX_DEPTH} levels deep.", file=name)]
        what = ""
        if isinstance(value, dict):
            for key, item in value.items():
                if not isinstance(key, str):
                    what = f"the key {shown(repr(key))} is not text; put it in quotes"
                else:
                    stack.append((item, (*path, key)))
        elif isinstance(value, list):
            stack.extend((item, (*path, index)) for index, item in enumerate(value))
        elif isinstance(value, float) and not math.isfinite(value):
            what = f"{value} is not a finite number"
        elif isinstance(value, str) and not _is_unicode(value):
            what = "the text holds half of a surrogate pair"
        if what:
            pointer = pointer_to(*path)
            found.append(problem("SPEC023", f"`{name}`: {what}.", "Correct the value.", file=name, pointer=pointer))
    return sorted(found, key=lambda finding: finding.where.pointer or "")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
