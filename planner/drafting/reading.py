"""Reads the data that a spec is drawn up from: which role each file has, and a sample of its rows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.documents import Data, InputError, ModelReference, Spec, Task
from planner.survey.data_files import ROW_SUFFIXES, look_at_data
from planner.survey.data_reader import read_data
from planner.survey.data_remarks import PREFERENCE_SHAPES
from planner.survey.problems import problem, raise_errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from planner.documents import Finding
    from planner.survey import DataSurvey
    from planner.survey.data_reader import ReadData

# What people call the files beside their training data.
SIBLINGS = {
    "validation": ("validation", "valid", "val", "dev", "eval"),
    "test": ("test", "heldout", "held-out"),
}


@dataclass(frozen=True, slots=True)
class Read:
    """Data files as they were read."""

    paths: Mapping[str, str]
    """Role to the path from the spec's folder."""
    surveys: Mapping[str, DataSurvey]
    rows: ReadData | None
    """The rows that the task is guessed from; None when there are only documents, or nothing."""
    guessed: Mapping[str, str]
    """Roles that nobody stated, each with the reason."""
    findings: tuple[Finding, ...]


def read_files(files: Mapping[str, Path], folder: Path) -> Read:
    """Survey the data files.

    Args:
        files: role to file; the role `data` is the file without a stated role.
        folder: where the spec will lie.

    Raises:
        InputError: a file is not there, cannot be read, or shares rows with another that it must not share.
    """
    named, guessed = _roles(files)
    for role, path in named.items():
        if not path.exists():
            message = f"The file {path} does not exist."
            raise InputError([problem("INIT001", message, "Name the file with your examples.", file=str(path))])
        if path.is_dir() and role != "documents":
            message = f"{path} is a folder."
            fix = "Name a file of JSON Lines in it, or give it as --documents."
            raise InputError([problem("INIT001", message, fix, file=str(path))])
    paths = {role: os.path.relpath(path, folder).replace(os.sep, "/") for role, path in named.items()}
    spec = Spec(task=Task(description="?"), data=Data(**paths), models=(ModelReference(id="?"),))
    surveys, findings = look_at_data(spec, folder)
    kept = raise_errors(findings)
    examples = [role for role in ("train", "preferences", "test", "validation") if role in named]
    rows = read_data(named[examples[0]], paths[examples[0]]) if examples else None
    return Read(paths, surveys, rows, guessed, kept)


def _roles(files: Mapping[str, Path]) -> tuple[dict[str, Path], dict[str, str]]:
    """The role of each file, and which roles were guessed."""
    named = {role: path for role, path in files.items() if role != "data"}
    guessed: dict[str, str] = {}
    path = files.get("data")
    if path is None:
        return named, guessed
    role, because = _role_of(path)
    if role not in named:
        named[role], guessed[role] = path, because
    for sibling, words in SIBLINGS.items():
        found = _sibling(path, words) if role in ("train", "preferences") else None
        if found is not None and sibling not in named and found not in named.values():
            named[sibling], guessed[sibling] = found, f"the file lies beside {path.name}, and its name says so"
    return dict(sorted(named.items(), key=lambda item: list(Data.model_fields).index(item[0]))), guessed


def _role_of(path: Path) -> tuple[str, str]:
    if path.is_dir() or path.suffix.lower() not in ROW_SUFFIXES | {".json"}:
        return "documents", "it is no file of JSON Lines"
    if not path.exists():
        return "train", "no other role was given"
    shape = read_data(path, str(path)).shape
    if shape == "text":
        return "documents", "its rows are texts without answers"
    if shape in PREFERENCE_SHAPES:
        return "preferences", "its rows compare answers"
    return "train", "its rows have a prompt and an answer"


def _sibling(path: Path, words: tuple[str, ...]) -> Path | None:
    """The file beside it that is named the same but for the role."""
    for word in words:
        for stem in (word, path.stem.replace("train", word) if "train" in path.stem else ""):
            found = path.with_name(f"{stem}{path.suffix}") if stem else path
            if found != path and found.is_file():
                return found
    return None
