"""Environments of their own: where they lie, what is missing, how one is made, and how a worker starts in it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from executors.files import link, remove, write_atomic
from executors.locks import locked
from executors.registry import executor_registry
from planner.documents import Environment, Finding, InputError, RunError, Where, near, pretty_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from executors.contract import Executor
    from executors.registry import Registry

SETTING = "ADAPT_ENVIRONMENTS"
# Its presence says that everything was installed and imports.
READY = "ready.json"
OWN = ("executors", "planner")
_NETWORK = ("connection", "name resolution", "network is unreachable", "timed out", "no matching distribution", "proxy")
_DISK = ("no space left", "disk quota")
_SAID = ("Collecting ", "Building wheel", "Installing collected", "Successfully installed")
_LAST_LINES = 40
_WIDTH = 100


def environments_root(known: Mapping[str, str] = os.environ) -> Path:
    """Where environments lie: `$ADAPT_ENVIRONMENTS`, else below `$XDG_CACHE_HOME` or `~/.cache`."""
    if known.get(SETTING):
        return Path(known[SETTING]).expanduser().absolute()
    cache = known.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "adapt" / "environments"


def folder_of(environment: Environment) -> Path:
    """The folder of an environment, made or not."""
    return environments_root() / environment.folder


def python_of(environment: Environment) -> Path:
    """The interpreter of an environment, made or not."""
    return folder_of(environment) / "bin" / "python"


def is_made(environment: Environment) -> bool:
    """Whether an environment is there, whole."""
    return (folder_of(environment) / READY).is_file() and python_of(environment).exists()


def command_of(environment: Environment) -> str:
    """The command that makes an environment."""
    return f"adapt environments make {environment.name}"


def known_environments(registry: Registry | None = None) -> dict[str, Environment]:
    """The environments that the executors here can use, by name; an executor names them in `environments`."""
    registry = executor_registry() if registry is None else registry
    found: dict[str, Environment] = {}
    for name in sorted(registry.targets):
        try:
            executor = registry.load(name)
        except InputError:
            continue  # `adapt doctor` has a row for it
        found |= {each.name: each for each in environments_of(executor)}
    return found


def environments_of(executor: Executor) -> tuple[Environment, ...]:
    """The environments that steps of an executor may name; most executors use none."""
    return tuple(getattr(executor, "environments", ()))


def environment_named(name: str) -> Environment:
    """An environment by its name.

    Raises:
        InputError: no executor here uses one of this name.
    """
    known = known_environments()
    if name not in known:
        message = f"No executor here uses an environment `{name}`."
        fix = near(name, known) or f"Here are: {', '.join(sorted(known)) or 'none'}."
        raise InputError.one("ENV001", message, fix)
    return known[name]


def missing(environment: Environment, address: str, known: Sequence[Environment], pointer: str) -> list[Finding]:
    """What forbids a step to run in an environment: it is not made, or nobody here would make it.

    A plan never says what is installed: only what the executors here name is ever made.

    Args:
        environment: what the step names.
        address: of the step.
        known: environments of the step's executor.
        pointer: where the plan names it.
    """
    if environment not in known:
        message = f"{address} was planned for an environment {environment.folder} that its executor here does not know."
        fix = "Plan again with this version."
    elif not is_made(environment):
        message = f"{address} runs in the environment {environment.name}, which is not made here."
        fix = f"Make it once: {command_of(environment)}."
    else:
        return []
    return [Finding(code="RUN187", severity="error", message=message, fix=fix, where=Where(pointer=pointer))]


def own_packages(folder: Path, target: str) -> dict[str, str]:
    """Variables by which another interpreter finds adapt's packages, and no other that is installed beside them.

    Args:
        folder: for links to the packages.
        target: `module:attribute` of the executor, whose package is one of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in {*OWN, target.partition(":")[0].partition(".")[0]}:
        file = Path(str(importlib.import_module(name).__file__))
        found = file.parent if file.name == "__init__.py" else file
        link(folder / found.name, found)
    return {"PYTHONPATH": str(folder), "PYTHONNOUSERSITE": "1"}


def make(environment: Environment, say: Callable[[str], None]) -> Path:
    """Make an environment, unless it is there; until it is whole it does not count as made.

    Args:
        environment: what is to be installed.
        say: gets a line for every piece of work.

    Returns:
        Its folder.

    Raises:
        LockedError: another process makes it.
        RunError: it cannot be made; nothing is left of it.
    """
    folder = folder_of(environment)
    try:
        with locked(folder.parent / ".making" / folder.name / "lock", "environment's lock"):
            if is_made(environment):
                say(f"{environment.name} is made already.")
                return folder
            remove(folder)  # what a killed process left
            try:
                _install(environment, folder, say)
            except BaseException:
                remove(folder)
                raise
    except OSError as error:
        raise RunError([_failed(environment, [f"{error.filename or folder}: {error.strerror}"])]) from error
    return folder


def _install(environment: Environment, folder: Path, say: Callable[[str], None]) -> None:
    python = str(python_of(environment))
    say(f"Making {folder} ...")
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], environment, say)
    # The installer of this interpreter works on the other: to install one there would take longest.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    for number, words in enumerate(environment.installs, 1):
        say(f"Installing {' '.join(words)} ({number} of {len(environment.installs)}) ...")
        _run([*pip, "install", "--no-input", *words], environment, say)
    say(f"Importing {', '.join(environment.modules)} ...")
    _run([python, "-P", "-c", f"import {', '.join(environment.modules)}"], environment, say)
    installed = _run([*pip, "freeze"], environment, None)
    write_atomic(folder / READY, pretty_json({"environment": environment.to_json(), "installed": installed}))


def _run(command: list[str], environment: Environment, say: Callable[[str], None] | None) -> list[str]:
    """The lines that a program printed; those that tell progress are passed on.

    Raises:
        RunError: it failed.
    """
    # Nothing of the environment that this process runs in.
    user = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    lines: deque[str] = deque(maxlen=None if say is None else _LAST_LINES)
    with subprocess.Popen(  # noqa: S603 - the command is built here, of pins that an executor holds
        command, env=user, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if say is not None and line.startswith(_SAID):
                say(f"  {line.split(' (from ')[0].strip()[:_WIDTH]}")
    if process.returncode:
        raise RunError([_failed(environment, list(lines))])
    return list(lines)


def _failed(environment: Environment, lines: list[str]) -> Finding:
    """Why an installation failed, by what the installer said last."""
    said = "\n".join(lines).lower()
    last = next((line for line in reversed(lines) if line.strip() and not line.startswith("[notice]")), "nothing")
    why = f"the installer said: {last.removeprefix('ERROR: ').rstrip('.')}"
    fix = "Mend that, then run the command again."
    if any(word in said for word in _DISK):
        why, fix = "the disk is full", f"Free some space, or set {SETTING} to a folder on a larger disk."
    elif any(word in said for word in _NETWORK):
        fix = "Connect to a package index, or name one that can be reached: set PIP_INDEX_URL or PIP_FIND_LINKS."
    message = f"The environment {environment.name} could not be made: {why}."
    return Finding(code="ENV002", severity="error", message=message, fix=fix)
