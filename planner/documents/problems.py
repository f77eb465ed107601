"""Turns what pydantic says of a document into findings: place, value, what is allowed, a near name."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from planner.documents.base import Document
from planner.documents.errors import InputError
from planner.documents.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic_core import ErrorDetails

D = TypeVar("D", bound=Document)
_SHOWN_CHARACTERS = 80
_SUBJECT = re.compile(r"^(Value error, |(Input|String|List|Tuple|Dictionary|Value|Data) (?=should))")


def near(name: str, names: Iterable[str]) -> str:
    """The sentence `Did you mean ...?` for a misspelt name, or nothing when none is near."""
    matches = difflib.get_close_matches(name.lower(), sorted(names), n=1, cutoff=0.6)
    return f"Did you mean `{matches[0]}`?" if matches else ""


def validate(model: type[D], data: Any, *, code: str, file: str | None = None) -> D:
    """Read plain values into a document.

    Args:
        model: the kind of document.
        data: what a JSON, YAML or TOML parser returned.
        code: the prefix of the findings' codes, such as `SPEC`.
        file: the file it came from, for the messages.

    Raises:
        InputError: with one finding for every problem.
    """
    try:
        # Strict JSON mode accepts a list for a tuple and still refuses "5" for 5.
        return model.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        raise InputError(findings(error, model, data, code=code, file=file)) from None


def findings(error: ValidationError, model: type[Document], data: Any, *, code: str, file: str | None) -> list[Finding]:
    """One finding for every place that is wrong; the alternatives of a union are told as one."""
    schema = model.model_json_schema(by_alias=True)
    found: dict[str, Finding] = {}
    for detail in error.errors(include_url=False):
        path, node = _locate(schema, detail["loc"], data)
        pointer = "".join(f"/{_escape(part)}" for part in path)
        message, fix = _sentence(detail, path, node, schema)
        if pointer in found:
            previous = found[pointer]
            fix = previous.fix if fix in previous.fix else f"{previous.fix} {fix}"
            found[pointer] = previous.model_copy(update={"fix": fix})
            continue
        number = {"missing": 1, "extra_forbidden": 2}.get(detail["type"], 3)
        where = Where(file=file, pointer=pointer)
        found[pointer] = Finding(code=f"{code}{number:03}", severity="error", message=message, fix=fix, where=where)
    # A union's other members, and a list emptied by its bad items, only repeat what is said of the place inside.
    return [item for at, item in found.items() if not any(other.startswith(f"{at}/") for other in found)]


def _escape(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _locate(
    schema: dict[str, Any], loc: Sequence[str | int], data: Any
) -> tuple[list[str | int], dict[str, Any] | None]:
    """The JSON path of an error and the schema of the innermost object there; pydantic's union tags are dropped."""
    path: list[str | int] = []
    node: dict[str, Any] | None = schema
    here = data
    for part in loc:
        options = _options(node, schema)
        if isinstance(part, int):
            is_step = isinstance(here, list)
        else:
            is_step = any(part in option.get("properties", {}) for option in options) or (
                isinstance(here, dict) and part in here
            )
        if not is_step:  # the name of a union's member
            continue
        path.append(part)
        node = _child(options, part)
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            here = None
    return path, node


def _options(node: dict[str, Any] | None, root: dict[str, Any]) -> list[dict[str, Any]]:
    """A schema node with references followed and unions spread out."""
    if node is None:
        return []
    if "$ref" in node:
        return _options(root["$defs"][node["$ref"].rsplit("/", 1)[1]], root)
    if "anyOf" in node:
        return [option for part in node["anyOf"] for option in _options(part, root)]
    return [node]


def _child(options: list[dict[str, Any]], part: str | int) -> dict[str, Any] | None:
    for option in options:
        if isinstance(part, int) and "items" in option:
            return dict(option["items"])
        if part in option.get("properties", {}):
            return dict(option["properties"][part])
        if isinstance(option.get("additionalProperties"), dict):
            return dict(option["additionalProperties"])
    return None


def _sentence(
    detail: ErrorDetails, path: list[str | int], node: dict[str, Any] | None, root: dict[str, Any]
) -> tuple[str, str]:
    """What is wrong and what to do, for one error."""
    name = str(path[-1]) if path else "document"
    if detail["type"] == "missing":
        return f"`{name}` is missing.", f"Add it{_allowed(node, root)}."
    if detail["type"] == "extra_forbidden":
        names = _siblings(root, path)
        hint = near(name, names) or f"Allowed here: {', '.join(sorted(names))}."
        return f"`{name}` is not a known key.", hint
    shown = json.dumps(detail["input"], ensure_ascii=False, default=str)
    shown = shown if len(shown) <= _SHOWN_CHARACTERS else shown[: _SHOWN_CHARACTERS - 3] + "..."
    what = _SUBJECT.sub("", detail["msg"]).lower().rstrip(".")
    hint = ""
    if isinstance(detail["input"], str):
        words = [word for option in _options(node, root) for word in option.get("enum", [])]
        hint = near(detail["input"], words)
    return f"`{name}` is {shown}.", f"It {what}.{' ' + hint if hint else ''}"


def _allowed(node: dict[str, Any] | None, root: dict[str, Any]) -> str:
    words = [str(word) for option in _options(node, root) for word in option.get("enum", [])]
    kinds = [str(option["type"]) for option in _options(node, root) if "type" in option]
    if words:
        return ": one of " + ", ".join(words)
    return f": {' or '.join(dict.fromkeys(kinds))}" if kinds else ""


def _siblings(root: dict[str, Any], path: list[str | int]) -> set[str]:
    """The names that are allowed beside the last part of a path."""
    node: dict[str, Any] | None = root
    for part in path[:-1]:
        node = _child(_options(node, root), part)
    return {name for option in _options(node, root) for name in option.get("properties", {})}
