"""This machine: every worker a process group of its own, found again by a lock that the kernel drops on its death."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from executors.places.place import Process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PAUSE_S = 0.01
_PATIENCE_S = 30.0


class LocalPlace:
    """Starts workers on this machine.

    A worker inherits a locked file that nobody else holds. As long as it lives the lock cannot be taken, however the
    runner ended; no process id is ever trusted on its own, so a reused one does no harm.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def submit(self, command: Sequence[str], tag: str, *, environment: Mapping[str, str], log: Path) -> Process:
        """Start a process in a session of its own; Ctrl-C at the terminal reaches the runner alone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # Held from before the process exists, so that there is no moment at which a kill makes it untraceable.
        handle = os.open(self._record(tag), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            os.ftruncate(handle, 0)
            with log.open("ab") as stream:
                child = subprocess.Popen(  # noqa: S603 - the command is the engine's own
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=stream,
                    env={**os.environ, **environment, "ADAPT_LOCK_FD": str(handle)},
                    pass_fds=(handle,),
                    start_new_session=True,
                )
        finally:
            os.close(handle)
        self._children[tag] = child
        return Process(tag=tag, id=str(child.pid))

    def find(self, tag: str) -> Process | None:
        """The process of a tag when it still runs."""
        record = self._record(tag)
        deadline = time.monotonic() + _PATIENCE_S
        while _is_held(record) and time.monotonic() < deadline:
            if pid := _read_pid(record):
                if _leads_group(pid):
                    return Process(tag=tag, id=str(pid))
                _signal_group(pid, signal.SIGKILL)  # its leader is dead, only helpers are left
            time.sleep(_PAUSE_S)  # started this instant, or dying
        record.unlink(missing_ok=True)
        return None

    def poll(self, process: Process) -> int | None:
        """None while it runs, then its exit status; 0 for a process that another runner started."""
        child = self._children.get(process.tag)
        if child is None:
            return None if self.find(process.tag) else 0
        if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        # Before the id is given back, while it can only mean this group: helpers must not outlive the step.
        _signal_group(child.pid, signal.SIGKILL)
        del self._children[process.tag]
        self._record(process.tag).unlink(missing_ok=True)
        return child.wait()

    def cancel(self, process: Process, grace_s: float) -> None:
        """Stop a process and its helpers: SIGTERM, and SIGKILL after the grace time or at a second Ctrl-C."""
        pid = int(process.id)
        _signal_group(pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        try:
            while self.poll(process) is None and time.monotonic() < deadline:
                time.sleep(_PAUSE_S)
        except KeyboardInterrupt:
            pass
        while self.poll(process) is None:
            _signal_group(pid, signal.SIGKILL)
            time.sleep(_PAUSE_S)

    def _record(self, tag: str) -> Path:
        return self.folder / f"{hashlib.sha256(tag.encode()).hexdigest()[:32]}.lock"


def sign_in() -> None:
    """Called by the worker first: write the process id where `find` reads it.

    Without effect in a process that no local place started.
    """
    handle = os.environ.pop("ADAPT_LOCK_FD", None)
    if handle is not None:
        # A program that the step starts must not keep the step alive.
        fcntl.fcntl(int(handle), fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        os.pwrite(int(handle), str(os.getpid()).encode(), 0)


def _is_held(record: Path) -> bool:
    try:
        handle = os.open(record, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _read_pid(record: Path) -> int | None:
    try:
        return int(record.read_text())
    except (OSError, ValueError):
        return None


def _leads_group(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid and not _is_zombie(pid)
    except ProcessLookupError:
        return False


def _is_zombie(pid: int) -> bool:
    """Whether a process has died and waits for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
