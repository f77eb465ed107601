"""Reads a small text file whole, and turns every way that can fail into one finding."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from planner.documents import AdaptError, InputError
from planner.survey.problems import shown

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 10 * 10**6


def read_text(path: Path, name: str, *, code: str, pointer: str | None = None, max_bytes: int = MAX_BYTES) -> str:
    """The text of a UTF-8 file, without its byte order mark.

    Args:
        path: the file.
        name: the path as the user wrote it, for the messages.
        code: prefix of the findings' codes.
        pointer: the place in the spec that names the file.
        max_bytes: larger files are refused.

    Raises:
        InputError: it is missing, a folder, unreadable, too large, or not UTF-8.
    """
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise _error(f"{code}010", f"`{name}` is a folder, not a file.", _inside(path), name, pointer)
        if size > max_bytes:
            message = f"`{name}` has {size / 1e6:.0f} MB; at most {max_bytes / 1e6:.0f} MB are read."
            raise _error(f"{code}011", message, "Is it the right file?", name, pointer)
        content = path.read_bytes()
    except FileNotFoundError:
        raise _error(f"{code}012", f"`{name}` does not exist.", _beside(path, pointer), name, pointer) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _error(f"{code}013", f"`{name}` cannot be read: {reason}.", "", name, pointer) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError.one(
            f"{code}014",
            f"`{name}` is not UTF-8: byte 0x{content[error.start]:02x} in line {line}.",
            "Save it as UTF-8.",
            file=name,
            pointer=pointer,
        ) from None


def read_json(path: Path, name: str, *, code: str, pointer: str | None = None) -> Any:
    """The value of a JSON file.

    Raises:
        InputError: it cannot be read, or is not JSON.
    """
    text = read_text(path, name, code=code, pointer=pointer)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        message = f"`{name}` is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
    except RecursionError:
        message = f"`{name}` is nested too deeply to be read."
    except ValueError as error:
        message = f"`{name}` is not valid JSON: {shown(str(error))}."
    raise InputError.one(f"{code}015", message, "Correct the file.", file=name, pointer=pointer)


def _error(code: str, message: str, fix: str, name: str, pointer: str | None) -> AdaptError:
    return InputError.one(code, message, fix, file=name, pointer=pointer)


def _inside(folder: Path) -> str:
    for name in ("spec.json", "spec.yaml", "spec.yml", "spec.toml"):
        if (folder / name).is_file():
            return f"Name the file inside it: `{name}`."
    return "Name a file inside it."


def _beside(path: Path, pointer: str | None) -> str:
    """The file that a misspelt path may have meant; what a spec names starts at the spec."""
    from difflib import get_close_matches

    try:
        names = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        return f"The folder `{path.parent.name}` does not exist either."
    matches = get_close_matches(path.name, names[:1000], n=1, cutoff=0.6)
    from_spec = "Paths are relative to the folder of the spec." if pointer else ""
    return f"Did you mean `{matches[0]}`?" if matches else from_spec
