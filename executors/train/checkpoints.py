"""Checkpoints that are whole or not there: written aside, listed in a manifest with their digests, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from executors.files import disk_guard, remove, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from executors.train.ranks import Ranks

MANIFEST = "manifest.json"
PARTIAL = ".partial"
KEPT = 2


def at(folder: Path, step: int) -> Path:
    """The checkpoint of an optimizer step."""
    return folder / f"checkpoint-{step}"


@contextmanager
def writing(folder: Path, step: int, ranks: Ranks) -> Iterator[Path]:
    """A folder that all processes write a checkpoint into; the first gives it its name when all of it is on the disk.

    Raises:
        RunError: the disk is full.
    """
    target = at(folder, step)
    partial = target.with_name(target.name + PARTIAL)
    with disk_guard(partial):
        if ranks.first:
            remove(partial)
            partial.mkdir(parents=True)
        ranks.wait()
        yield partial
        ranks.wait()
        if ranks.first:
            _finish(partial, target)
    ranks.wait()


def _finish(partial: Path, target: Path) -> None:
    """Note what was written, wait for the disk, and rename."""
    files = {item.relative_to(partial).as_posix(): _digest(item) for item in _files(partial)}
    (partial / MANIFEST).write_text(json.dumps(files, indent=2), encoding="utf-8")
    for item in _files(partial):
        _sync(item)
    sync_folder(partial)
    remove(target)
    partial.replace(target)
    sync_folder(target.parent)


def _files(folder: Path) -> list[Path]:
    return sorted(item for item in folder.rglob("*") if item.is_file())


def verified(checkpoint: Path) -> bool:
    """Whether every file of a checkpoint is there with the content that was written."""
    try:
        files = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        return all(_digest(checkpoint / name) == found for name, found in files.items())
    except (OSError, ValueError, AttributeError):
        return False


def steps(folder: Path) -> list[int]:
    """The optimizer steps of all checkpoints, newest first; not yet verified."""
    names = [item.name.removeprefix("checkpoint-") for item in folder.glob("checkpoint-*")]
    return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def clear(folder: Path, after: int) -> None:
    """Remove what a killed attempt was writing, and checkpoints after a step, which did not verify."""
    for partial in folder.glob(f"checkpoint-*{PARTIAL}"):
        remove(partial)
    for step in steps(folder):
        if step > after:
            remove(at(folder, step))


def rotate(folder: Path, best: int | None) -> None:
    """Keep the newest two and the best."""
    for step in steps(folder)[KEPT:]:
        if step != best:
            remove(at(folder, step))


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
