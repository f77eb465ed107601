"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from executors.files import disk_full, disk_guard, free_bytes, remove, sync_folder
from planner.documents import InputError, RunError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Written into every folder that is made here, so that a later export knows that it may take its place.
MANIFEST = "export.json"


@contextmanager
def whole_folder(target: Path, *, replace: bool, needed_bytes: int = 0) -> Iterator[Path]:
    """An empty folder to write into, which becomes `target` at the end and vanishes when anything goes wrong.

    Args:
        target: where the folder shall stand.
        replace: whether an earlier export may be replaced; nothing else ever is.
        needed_bytes: what is going to be written, to be refused at once where the disk has less.

    Raises:
        InputError: something stands there, or its parent is no folder.
        RunError: the disk is full.
    """
    check_target(target, replace=replace)
    if needed_bytes > free_bytes(target):
        raise RunError([disk_full(target, needed_bytes)])
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    remove(draft)
    try:
        with disk_guard(target, needed_bytes or None):
            draft.mkdir()
            yield draft
            _put(draft, target)
    except BaseException:
        remove(draft)
        raise


def check_target(target: Path, *, replace: bool) -> None:
    """Refuse a place where something stands that must not be replaced; see `whole_folder`."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise InputError.one("EXPORT001", f"{target} is a file or a link.", "Name another folder.", file=str(target))
    if not target.exists() or not any(target.iterdir()):
        return
    if not replace:
        fix = "Name another folder, or replace an earlier export with --replace."
        raise InputError.one("EXPORT001", f"The folder {target} is there already.", fix, file=str(target))
    if not (target / MANIFEST).is_file():
        message = f"The folder {target} was not made by an export, so it is not replaced."
        raise InputError.one("EXPORT001", message, "Name another folder.", file=str(target))


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder; the store's own files are never linked to, since an export may be edited."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=shutil.copyfile, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())


def _put(draft: Path, target: Path) -> None:
    before = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        target.replace(before)
    try:
        draft.replace(target)
    except BaseException:
        if before.exists():
            before.replace(target)
        raise
    sync_folder(target.parent)
    remove(before)
