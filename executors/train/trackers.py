"""Trackers that follow a training beside the run's own journal; off unless the user's environment names them.

They watch and change nothing, so they are no part of a plan: the same training is the same work with or without them.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from planner.documents import InputError, near

if TYPE_CHECKING:
    from pathlib import Path

ASKED = "ADAPT_TRACKERS"
# The words of transformers, and the packages of which one must be there.
PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX"), "trackio": ("trackio",), "wandb": ("wandb",)}


def unusable() -> list[tuple[str, str]]:
    """What is wrong with the trackers that are asked for: a sentence, and what to do."""
    found = []
    for name in _asked():
        if name not in PACKAGES:
            fix = near(name, PACKAGES) or f"Known are {', '.join(PACKAGES)}."
            found.append((f"{ASKED} names the tracker {name}, which is not known.", fix))
        elif not any(importlib.util.find_spec(package) for package in PACKAGES[name]):
            message = f"{ASKED} names the tracker {name}, whose package is not installed."
            found.append((message, f"Install {PACKAGES[name][-1]}, or leave {name} out."))
    return found


def trackers(folder: Path) -> list[str]:
    """The trackers that `ADAPT_TRACKERS` names, separated by commas.

    Args:
        folder: where TensorBoard's files go, unless `TENSORBOARD_LOGGING_DIR` says otherwise.

    Raises:
        InputError: a tracker is not known, or its package is not installed.
    """
    for message, fix in unusable():
        raise InputError.one("TRAIN040", message, fix)
    names = _asked()
    if "tensorboard" in names:
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(folder))
    return names


def _asked() -> list[str]:
    return [name.strip() for name in os.environ.get(ASKED, "").split(",") if name.strip()]
