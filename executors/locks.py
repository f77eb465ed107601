"""The lock of the state folder: one runner at a time, and its name when another asks."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from planner.documents import Finding, LockedError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Somebody who only looks whether the lock is held takes it for an instant.
_PATIENCE_S = 0.25
_PAUSE_S = 0.01


@contextmanager
def locked(path: Path, what: str = "state folder") -> Iterator[None]:
    """Hold a lock file; the kernel lets go of it when this process dies, however it dies.

    Args:
        path: the file.
        what: what its folder is to people.

    Raises:
        LockedError: another process holds it; the message names that process.
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not inherited by workers: an orphaned worker must not keep the next runner out.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _try_lock(handle):
            raise LockedError([_held(path, what)])
        since = time.strftime("%Y-%m-%d %H:%M:%S %Z")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "command": _command()}
        os.ftruncate(handle, 0)
        os.pwrite(handle, (json.dumps(holder) + "\n").encode(), 0)
        yield
    finally:
        os.close(handle)


def holder(path: Path) -> dict[str, str | int] | None:
    """Who holds a lock file: pid, host, since and command; None when nobody does."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _named(path)
    finally:
        os.close(handle)
    return None


def _try_lock(handle: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_S)
        else:
            return True


def _held(path: Path, what: str) -> Finding:
    who = _named(path)
    name = f"process {who.get('pid', '?')} on {who.get('host', '?')} since {who.get('since', '?')}"
    message = f"The {what} {path.parent} is in use by {name} ({who.get('command', '?')})."
    fix = "Wait until it is done or stop it, then run the same command."
    return Finding(code="RUN130", severity="error", message=message, fix=fix, where=Where(file=str(path)))


def _named(path: Path) -> dict[str, str | int]:
    try:
        named = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}  # it has the lock and has not written its name yet
    return named if isinstance(named, dict) else {}


def _command() -> str:
    program = os.path.basename(sys.argv[0]) or "python"  # noqa: PTH119 - a name, not a path
    return " ".join([program, *sys.argv[1:]])
