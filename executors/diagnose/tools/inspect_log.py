"""Logs of Inspect (inspect_ai 0.3, log version 2).

A `.json` log is an `EvalLog` with `samples`; a `.eval` log is a zip archive with `samples/ID_epoch_N.json`:
`src/inspect_ai/log/_log.py`, UKGovernmentBEIS/inspect_ai at 020dd01, and `_recorders/eval.py` at 00e215b.
"""

from __future__ import annotations

import json
import re
import zipfile
from typing import TYPE_CHECKING, Any

from executors.diagnose.tools.said import Said, content_of, text_of, turns
from planner.documents import InputError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "Inspect log"
# How scorers say right and wrong.
RIGHT = ("C", "correct", True, 1, 1.0)
WRONG = ("I", "N", "P", "incorrect", False, 0, 0.0)


def samples_of(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The samples of an Inspect log; None when it is none."""
    samples = document.get("samples")
    return samples if isinstance(samples, list) and "eval" in document else None


def archived(path: Path) -> list[dict[str, Any]]:
    """The samples of an Inspect log in its archive format.

    Raises:
        InputError: the archive is no such log, or is packed in a way that Python cannot read.
    """
    fix = "Write it as JSON: inspect log convert LOG --to json --output-dir FOLDER."
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if re.fullmatch(r"samples/.+\.json", name))
            found = [json.loads(archive.read(name)) for name in names]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        message = f"The archive cannot be read: {str(error).splitlines()[0]}."
        raise InputError.one("DIAG010", message, fix, file=str(path)) from error
    if not found:
        raise InputError.one("DIAG011", "The archive holds no samples of an Inspect log.", fix, file=str(path))
    return found


def read(sample: dict[str, Any]) -> Said | None:
    """A sample: what the first scorer says decides whether it failed."""
    kept = sample.get("attachments") or {}
    before, prompt = turns(_attached(sample["input"], kept))
    if sample.get("choices"):
        prompt += "".join(f"\n{chr(ord('A') + at)}) {choice}" for at, choice in enumerate(sample["choices"]))
    output = sample.get("output") or {}
    said = output.get("completion")
    if not said and output.get("choices"):
        said = content_of(output["choices"][0]["message"].get("content"))
    if sample.get("error") and not said:
        return None
    target = sample.get("target")
    expected = tuple(map(text_of, target)) if isinstance(target, list) else (str(target or ""),)
    scores = [score["value"] for score in (sample.get("scores") or {}).values() if isinstance(score, dict)]
    epoch = sample.get("epoch", 1)
    name = str(sample.get("id", "")) + (f"-epoch-{epoch}" if epoch not in (None, 1) else "")
    expected = tuple(text for text in expected if text)
    return Said(name, prompt, expected, _attached(said or "", kept), before, passed=_passed(scores))


def _passed(scores: list[Any]) -> bool | None:
    """What the first scorer says; None when it says neither right nor wrong."""
    value = scores[0] if scores else None
    if isinstance(value, list | dict):
        return None
    return True if value in RIGHT else False if value in WRONG else None


def _attached(value: Any, kept: dict[str, str]) -> Any:
    """Texts that a log keeps apart, put back in their places."""
    if isinstance(value, str) and value.startswith("attachment://"):
        return kept.get(value.removeprefix("attachment://"), value)
    if isinstance(value, list):
        return [_attached(item, kept) for item in value]
    if isinstance(value, dict):
        return {name: _attached(item, kept) for name, item in value.items()}
    return value
