"""Reads a spec from a file or from plain values, and says everything that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planner.documents import InputError, Spec, validate
from planner.survey.plain_text import read_text
from planner.survey.problems import problem
from planner.survey.spec_checks import check_spec
from planner.survey.spec_syntax import parse_text


def read_spec(source: Path | str | Mapping[str, Any]) -> tuple[Spec, Path]:
    """The spec and the folder that its paths are relative to.

    Args:
        source: a JSON, YAML or TOML file, or the values themselves; then paths are relative to the working folder.

    Raises:
        InputError: the file cannot be read or parsed; or with one finding for every problem of the spec, of the
            files that it names and of what they hold.
    """
    if isinstance(source, Mapping):
        name, folder = None, Path()
        data: Any = dict(source)
    else:
        path = Path(source)
        name, folder = str(source), path.parent
        data = parse_text(read_text(path, name, code="SPEC"), name)
    if not isinstance(data, dict):
        what = "a list" if isinstance(data, list) else "a single value"
        message = f"The spec is {what}, not an object with `task` and `models`."
        raise InputError([problem("SPEC024", message, "Write its fields at the top.", file=name)])
    try:
        spec = validate(Spec, data, code="SPEC", file=name)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"The spec holds what JSON cannot say: {error}."
        raise InputError([problem("SPEC023", message, "Use text, numbers, lists and objects.", file=name)]) from None
    if any(finding.severity == "error" for finding in check_spec(spec, folder, file=name)):
        # What the data and models hold is said in the same breath, so that one reading mends everything.
        from planner.survey.survey import survey

        survey(spec, folder, file=name)
    return spec, folder
