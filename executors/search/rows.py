"""Which rows a search shows and which it scores on: never the same, and never those of the test."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from executors.data import read_rows
from planner.documents import InputError

if TYPE_CHECKING:
    from executors.contract import Job
    from executors.data import Row

# Of the training rows, where nothing else is there to choose on.
HELD_OUT_SHARE = 0.5


class Parts(NamedTuple):
    """Rows by what they are for."""

    pool: list[Row]
    """To take examples from."""
    scored: list[Row]
    """To score prompts on, in the order in which rounds take them."""
    source: Literal["validation", "train"]


def split(job: Job) -> Parts:
    """The rows of a search; what is scored is drawn by the seed, from the training rows where there is no validation.

    Raises:
        InputError: there are fewer than two rows to score on, or to show.
    """
    params = job.params
    train = Path(job.inputs["train"])
    pool = [row for row in read_rows(train) if row.completion is not None]
    own = Path(job.inputs["validation"]) if "validation" in job.inputs else None
    rows = pool if own is None else [row for row in read_rows(own) if row.completion is not None]
    drawn = random.Random(params.seed).sample(rows, len(rows))  # noqa: S311 - not a secret
    most = params.rows if own else min(params.rows, int(len(rows) * HELD_OUT_SHARE))
    scored = drawn[:most]
    asked = {row.prompt for row in scored}
    # An example that asks the same would give the answer away.
    pool = [row for row in pool if row.prompt not in asked]
    least = 2
    for found, what, path in ((scored, "choose on", own or train), (pool, "show", train)):
        if len(found) < least:
            message = f"There are {len(found)} rows with an answer to {what}; a search needs {least} at least."
            raise InputError.one("DATA023", message, "Give more rows, or fix the examples.", file=str(path))
    return Parts(pool, scored, "validation" if own else "train")
