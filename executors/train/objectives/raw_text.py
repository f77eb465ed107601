"""Continued pretraining: every token of raw text is learned."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.models import load_tokenizer
from executors.prompt.render import turn_end_id
from executors.retrieve.documents import SourceDocument, Unreadable, read_documents
from executors.train.examples import Example, Examples
from executors.train.packing import pack
from executors.train.params import given
from executors.train.preflight import Ready, check_tokens, finding
from executors.train.room import check_room
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.contract import Job
    from executors.train.params import TrainParams
    from planner.documents import Finding

# How models of chat write the end of a document, where their end token is that of a turn.
ENDS = ("<|endoftext|>", "<|end_of_text|>", "<｜end▁of▁sentence｜>", "</s>", "<eos>")  # noqa: RUF001


def prepare(job: Job) -> Ready:
    """Documents as sequences; without validation rows, a share of the documents is held out.

    Raises:
        AdaptError: with a finding for each thing that is wrong.
    """
    base, params = Path(job.inputs["model"]), job.params
    tokenizer = load_tokenizer(base)
    findings = check_room(job)
    end = end_of_text_id(tokenizer)
    if end is None:
        message = "The tokenizer names no end token: documents that follow each other would run into one."
        findings.append(finding("TRAIN001", message, "Set eos_token in tokenizer_config.json.", str(base)))
    sets, unreadable = _sets(job, params, findings)
    if findings:
        raise InputError(findings)
    whole = {name: [window for each in held for window in windows(tokenizer, each, given(end), params.max_length)]
             for name, held in sets.items()}  # fmt: skip
    for name, examples in whole.items():
        findings += check_tokens(examples, base, params, str(job.inputs.get(name, job.inputs["train"])))
    if findings:
        raise InputError(findings)
    found = {name: Examples(tuple(examples)) for name, examples in whole.items()}
    train = pack(found["train"], params.max_length) if params.packing else found["train"]
    notes = {
        "documents": len(sets["train"]),
        "validation_documents": len(sets.get("validation", ())),
        "unreadable_documents": unreadable,
        "end_of_text": tokenizer.convert_ids_to_tokens(end),
    }
    return Ready(tokenizer, train, found.get("validation"), notes)


def _sets(job: Job, params: TrainParams, findings: list[Finding]) -> tuple[dict[str, list[SourceDocument]], int]:
    """The documents to train on and to validate with, and how many more could not be read."""
    sets: dict[str, list[SourceDocument]] = {}
    unreadable = 0
    for name in ("train", "validation"):
        if name not in job.inputs:
            continue
        file = Path(job.inputs[name])
        read = list(read_documents(file))
        sets[name] = [each for each in read if isinstance(each, SourceDocument)]
        unreadable += len(read) - len(sets[name])
        if not sets[name]:
            why = next((f": {each.because}" for each in read if isinstance(each, Unreadable)), "")
            message = f"There is no text to learn from{why}."
            fix = "Give rows with a `text`, or text files."
            findings.append(finding("DATA105", message, fix, str(file)))
    share = given(params.held_out)
    if "validation" not in sets and share:
        sets["train"], sets["validation"] = hold_out(sets["train"], share, params.seed)
        if not sets["validation"]:
            del sets["validation"]
    return sets, unreadable


def hold_out(
    documents: Sequence[SourceDocument], share: float, seed: int
) -> tuple[list[SourceDocument], list[SourceDocument]]:
    """The documents in their order, parted by the seed: of two or more, one at least on each side."""
    count = min(max(1, round(len(documents) * share)), len(documents) - 1)
    chance = random.Random(f"held out:{seed}")  # noqa: S311 - a choice, not a secret
    held = set(chance.sample(range(len(documents)), max(count, 0)))
    return (
        [each for number, each in enumerate(documents) if number not in held],
        [each for number, each in enumerate(documents) if number in held],
    )


def windows(tokenizer: Any, document: SourceDocument, end: int, most: int) -> list[Example]:
    """A document and its end in sequences of at most so many tokens, each token but the first learned once.

    A window starts with the last token of the one before, which has no context of its own to be learned from.
    """
    ids: list[int] = tokenizer(document.text, truncation=False, verbose=False)["input_ids"]
    ids = [*ids[: -1 if ids and ids[-1] in (end, tokenizer.eos_token_id) else None], end]
    pieces = [(start, ids[start : start + most]) for start in range(0, max(len(ids) - 1, 1), most - 1)]
    return [Example(f"{document.id}@{start}", piece, piece) for start, piece in pieces]


def end_of_text_id(tokenizer: Any) -> int | None:
    """The token between documents: the end token, or where turns end with it, the one of pretraining."""
    end: int | None = tokenizer.eos_token_id
    if tokenizer.chat_template and end is not None and turn_end_id(tokenizer) == end:
        known = tokenizer.get_vocab()
        return next((known[name] for name in ENDS if name in known), end)
    return end
