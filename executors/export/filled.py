"""Rows with gaps as text, marked and ordered as the plan's own training has them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from executors.contract import Job
from executors.export.rows import Told
from planner.documents import InputError

if TYPE_CHECKING:
    from executors.sources import Sources
    from executors.train.examples import Example
    from planner.documents import Step


class Gaps(NamedTuple):
    """How gaps are marked."""

    marks: tuple[str, ...]
    added: bool
    """Whether the base does not know the marks, so that its vocabulary grows by them."""
    end: str
    """What ends a text, by the base's tokenizer; every answer in the rows ends with the end of a gap."""


def rows_with_gaps(step: Step, sources: Sources) -> tuple[Gaps, tuple[list[Told], list[Told]]]:
    """The marks, the rows to train on, and those to validate with: a request up to the gap, and what fills it.

    A text that is learned whole has an empty request.

    Raises:
        InputError: the base or the rows are not at hand, or rows have no gap.
    """
    from executors.train.objectives.infilling import prepare
    from executors.train.params import TrainParams

    found = {name: sources.find(source) for name, source in step.inputs.items()}
    inputs = {name: path for name, path in found.items() if isinstance(path, Path)}
    if lacking := [name for name in ("model", "train") if name not in inputs or not inputs[name].exists()]:
        message = f"The gaps of {step.address} are cut by tokens, and {' and '.join(lacking)} are not at hand."
        raise InputError.one("EXPORT004", message, "Run the plan up to there, or name a folder as the base.")
    # Of all parameters, those of the rows alone count here; the others need not suit this machine.
    here = {"packing": False, "precision": "fp32", "base_dtype": "fp32", "attention": "sdpa"}
    params = TrainParams.model_validate(dict(step.params) | here)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready = prepare(Job(step.address, params, inputs, folder, folder, lambda _: None, folder))
    tokenizer = ready.tokenizer
    marks: Any = ready.notes["gap_marks"]
    gaps = Gaps(tuple(marks), bool(ready.notes["gap_marks_added"]), tokenizer.eos_token or "")
    validation = ready.validation.kept if ready.validation else ()
    return gaps, (_told(tokenizer, ready.train.kept), _told(tokenizer, validation))


def _told(tokenizer: Any, examples: tuple[Example, ...]) -> list[Told]:
    from executors.train.examples import IGNORED

    rows = []
    for example in examples:
        cut = next(at for at, label in enumerate(example.labels) if label != IGNORED)
        # Every tool opens a text itself, where its tokenizer does.
        start = int(example.ids[0] == tokenizer.bos_token_id and cut > 0)
        asked, answer = (
            tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            for ids in (example.ids[start:cut], example.ids[cut:])
        )
        rows.append(Told((), answer, plain=asked))
    return rows
