"""Writes that survive a kill or a power cut: temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import errno
import os
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from planner.documents import Finding, RunError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# What numpy says of an array that went to a file in part; it gives no number.
_CUT_OFF = re.compile(r"\d+ requested and \d+ written")
_MB = 10**6


@contextmanager
def disk_guard(path: Path, needed_bytes: int | None = None) -> Iterator[None]:
    """Turn a full disk into one sentence.

    Args:
        path: what is being written.
        needed_bytes: how much is to be written, in bytes, when that is known.

    Raises:
        RunError: the disk, or the user's quota on it, is full.
    """
    try:
        yield
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise RunError([disk_full(path, needed_bytes)]) from error


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that the disk or a quota is full; safetensors hides the number in its words."""
    if isinstance(error, OSError):
        return error.errno in _FULL or (error.errno is None and _CUT_OFF.fullmatch(str(error)) is not None)
    return any(f"(os error {number})" in str(error) for number in _FULL)


def disk_full(path: Path, needed_bytes: int | None = None) -> Finding:
    """The finding of a full disk: what was to be written, what it needs and what is free, in MB."""
    needed = f" {needed_bytes / _MB:,.1f} MB are needed and" if needed_bytes is not None else ""
    return Finding(
        code="RUN100",
        severity="error",
        message=f"The disk is full:{needed} {free_bytes(path) / _MB:,.1f} MB are free for {path.name}.",
        fix="Free some space, then run the same command: what is finished is kept.",
        where=Where(file=str(path)),
    )


def free_bytes(path: Path) -> int:
    """Free space in bytes where a path is, or would be made."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def write_atomic(path: Path, content: str) -> None:
    """Write a text file so that readers see the old content or the new, never a part.

    Raises:
        RunError: the disk is full; nothing is left of the new content.
        OSError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    data = content.encode()
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "Not a regular file, so it is not replaced", str(path))
    try:
        with disk_guard(path, len(data)):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link(name: Path, target: Path) -> None:
    """Make a name lead to a target, by a relative path, in place of what it led to before."""
    fresh = name.with_name(f".{name.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(os.path.relpath(target, name.parent))
    fresh.replace(name)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; what is not there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
