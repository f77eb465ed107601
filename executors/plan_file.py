"""Reading a plan that is to be run: its format, its digest, and what it demands of its reader."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from planner.documents import Finding, Gate, Input, InputError, Pin, Plan, Retry, Step, Where, plan_digest, validate

if TYPE_CHECKING:
    from pathlib import Path

_FAMILY, _MAJOR = "adapt.plan", 1
_KNOWN = frozenset(name for model in (Plan, Step, Gate, Input, Retry, Pin) for name in model.model_fields)


def read_plan(path: Path) -> Plan:
    """Read a plan and make sure that it is what the planner wrote.

    Raises:
        InputError: no such file, not JSON, a newer major, a demand that is not known here, a wrong field, or a plan
            that was changed by hand.
    """
    file = str(path)
    raw = _read_json(path, file)
    _check_format(raw, file)
    plan = validate(Plan, raw, code="PLAN", file=file)
    check_digest(plan, raw, file)
    return plan


def check_digest(plan: Plan, raw: dict[str, Any], file: str | None = None) -> None:
    """Refuse a plan whose content is not what its digest says.

    Raises:
        InputError: it was changed after it was written; both digests are named.
    """
    found = plan_digest(raw)
    if found != plan.digest:
        message = f"The plan was edited by hand: its digest says {plan.digest}, its content is {found}."
        raise InputError([_finding("PLAN013", message, "Change the spec and plan again.", file, "/digest")])


def _read_json(path: Path, file: str) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"The plan {path.name} cannot be read: {error.strerror}."
        raise InputError([_finding("PLAN010", message, "Make one: adapt plan SPEC.", file)]) from None
    except UnicodeDecodeError:
        raise InputError(
            [_finding("PLAN010", f"The plan {path.name} is not UTF-8 text.", "Plan again.", file)]
        ) from None
    except json.JSONDecodeError as error:
        where = Where(file=file, line=error.lineno)
        message = f"The plan {path.name} is not JSON: {error.msg} in column {error.colno}."
        finding = Finding(code="PLAN010", severity="error", message=message, fix="Plan again.", where=where)
        raise InputError([finding]) from None
    if not isinstance(raw, dict):
        raise InputError([_finding("PLAN010", f"The plan {path.name} is not a JSON object.", "Plan again.", file)])
    return raw


def _check_format(raw: dict[str, Any], file: str) -> None:
    family, _, major = str(raw.get("format", "")).partition("/")
    if family != _FAMILY or not major.isdigit():
        message = f"The file says that its format is {raw.get('format')!r}; a plan says `{_FAMILY}/{_MAJOR}`."
        raise InputError([_finding("PLAN011", message, "Give the file that `adapt plan` wrote.", file, "/format")])
    if int(major) != _MAJOR:
        message = f"The plan has the format {family}/{major}; this version reads {_FAMILY}/{_MAJOR}."
        fix = "Update adapt-planner, or plan again with this version."
        raise InputError([_finding("PLAN011", message, fix, file, "/format")])
    demands = raw.get("must_understand", [])
    unknown = sorted(set(map(str, demands if isinstance(demands, list) else [])) - _KNOWN)
    if unknown:
        message = f"The plan must not be run by who does not know {', '.join(unknown)}; this version does not."
        raise InputError([_finding("PLAN012", message, "Update adapt-planner.", file, "/must_understand")])


def _finding(code: str, message: str, fix: str, file: str | None, pointer: str | None = None) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(file=file, pointer=pointer))
