"""Where a model's files may lie: the given path, a Python package, the spec's folder, the Hugging Face cache."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from planner.documents import InputError
from planner.survey.problems import first_of

if TYPE_CHECKING:
    from planner.documents import ModelReference

PACKAGE = re.compile(r"package:(?P<name>[A-Za-z_][A-Za-z0-9_]*)/(?P<file>[^\\]+)")
HUB_ID = re.compile(r"(?P<organisation>[A-Za-z0-9][A-Za-z0-9._-]*)/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Place:
    """Files of a model on this machine."""

    kind: Literal["folder", "gguf", "hub-cache"]
    path: Path
    pin: str
    revision: str | None = None


def find_files(reference: ModelReference, folder: Path, pointer: str) -> Place | None:
    """Where the model's files lie, or None when only its id is known.

    Args:
        reference: the spec's words on the model.
        folder: where relative paths start.
        pointer: the model's place in the spec, for the errors.

    Raises:
        InputError: a path is given, and nothing usable lies there.
    """
    if reference.path is not None:
        if reference.path.startswith("package:"):
            return _in_package(reference.path, f"{pointer}/path")
        place = _at(folder / reference.path, reference.path)
        if place is None:
            raise _nothing_at(folder, reference.path, f"{pointer}/path")
        return place
    if "/" in reference.id or reference.id.endswith(".gguf") or reference.id.startswith("."):
        place = _at(folder / reference.id, reference.id)
    else:
        # A bare word is a folder only when it holds a model: `gpt2` may be the name of any folder.
        place = _at(folder / reference.id, reference.id) if (folder / reference.id / "config.json").is_file() else None
    return place or _in_cache(reference.id)


def _at(path: Path, name: str) -> Place | None:
    try:
        if path.is_dir():
            return Place("folder", path, _pin(name))
        if path.is_file() and path.suffix.lower() == ".gguf":
            return Place("gguf", path, _pin(name))
    except (OSError, ValueError):
        pass
    return None


def _pin(name: str) -> str:
    return Path(name).as_posix()


def _nothing_at(folder: Path, name: str, pointer: str) -> Exception:
    path = folder / name
    try:
        exists = path.exists()
        names = sorted(item.name for item in path.parent.iterdir())[:1000]
    except (OSError, ValueError):
        exists, names = False, []
    if exists:
        message = f"`{name}` is a file, and not a .gguf one."
        fix = "Name the model's folder, or a .gguf file."
        return InputError.one("MODEL011", message, fix, pointer=pointer)
    from planner.documents import near

    fix = near(path.name, names) or "Paths are relative to the folder of the spec."
    return InputError.one("MODEL010", f"The model's path `{name}` does not exist.", fix, pointer=pointer)


def _in_package(name: str, pointer: str) -> Place:
    """A file or folder inside an installed package, which is looked up and never imported."""
    from importlib.util import find_spec

    match = PACKAGE.fullmatch(name)
    parts = match["file"].split("/") if match else []
    if match is None or any(part in {"", ".", ".."} for part in parts):
        message = f"`{name}` does not have the form package:NAME/FILE."
        raise InputError.one("MODEL012", message, "Name a file inside the package.", pointer=pointer)
    package = match["name"]
    try:
        found = find_spec(package) if package not in sys.builtin_module_names else None
    except (ImportError, ValueError):
        found = None
    if found is None:
        fix = f"Install the Python package that holds the module `{package}`."
        raise InputError.one("MODEL013", f"The package `{package}` is not installed.", fix, pointer=pointer)
    names: list[str] = []
    for location in found.submodule_search_locations or ():
        path = Path(location, *parts)
        place = _at(path, name)
        if place is not None:
            return Place(place.kind, path, name)
        if path.parent.is_dir():
            names += [item.name for item in path.parent.iterdir() if item.suffix == ".gguf" or item.is_dir()]
    inside = sorted(each for each in names if not each.startswith(("_", ".")))
    fix = f"It holds {first_of([f'`{each}`' for each in inside])}." if inside else "Look into the package's folder."
    message = f"The package `{package}` holds no model `{match['file']}`."
    raise InputError.one("MODEL014", message, fix, pointer=pointer)


def hub_cache() -> Path:
    """The folder of the Hugging Face cache, by the environment variables that its library reads."""
    environment = os.environ
    if environment.get("HF_HUB_CACHE"):
        return Path(environment["HF_HUB_CACHE"]).expanduser()
    if environment.get("HF_HOME"):
        return Path(environment["HF_HOME"]).expanduser() / "hub"
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "huggingface" / "hub"


def _in_cache(name: str) -> Place | None:
    """The snapshot that the cache's `main` points to, else the one snapshot that is there."""
    match = HUB_ID.fullmatch(name)
    if match is None:
        return None
    try:
        repository = hub_cache() / f"models--{match['organisation']}--{match['name']}"
        reference = repository / "refs" / "main"
        if reference.is_file():
            revision = reference.read_text(encoding="utf-8").strip()
        else:
            revision = max(item.name for item in (repository / "snapshots").iterdir())
        snapshot = repository / "snapshots" / revision
        if COMMIT.fullmatch(revision) and (snapshot / "config.json").is_file():
            return Place("hub-cache", snapshot, f"hub:{name}", revision)
    except (OSError, ValueError, RuntimeError):
        pass
    return None
