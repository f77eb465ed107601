"""Preference training: what is compared, as tokens, and what must hold of it before any model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.data import read_rows
from executors.models import load_tokenizer
from executors.prompt.document import read_prompt
from executors.prompt.render import completion_ids, prompt_ids
from executors.train.belonging import SINGLE_ANSWERS
from executors.train.examples import Example, Examples, answered
from executors.train.params import given
from executors.train.preflight import Ready, check_end, check_examples, check_template, finding, stop_ids
from executors.train.room import check_room
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from executors.contract import Job
    from executors.data import Row
    from executors.prompt.document import Prompt
    from executors.train.params import TrainParams
    from planner.documents import Finding


@dataclass(frozen=True, kw_only=True)
class Compared(Example):
    """Two sequences that a step reads together.

    Of a comparison: the better answer, and in `other` the worse one. Of a verdict: the answer that was judged, and in
    `other` the answer to another prompt, by which KTO sees how far the model has moved [ethayarajh-2024-kto].
    """

    other: Example
    good: bool = True
    """What the verdict says; a comparison has none."""

    @property
    def tokens(self) -> int:
        """Tokens that a forward pass reads."""
        return len(self.ids) + len(self.other.ids)


def prepare(job: Job) -> Ready:
    """Comparisons, or verdicts for a loss on single answers, rendered as serving renders a request and its answer.

    Raises:
        AdaptError: with a finding for each thing that is wrong.
    """
    base, params = Path(job.inputs["model"]), job.params
    tokenizer, prompt = load_tokenizer(base), read_prompt(Path(job.inputs["prompt"]))
    single = given(params.preference_loss) in SINGLE_ANSWERS
    findings = [*check_room(job), *check_end(tokenizer, base)]
    files = {name: Path(job.inputs[name]) for name in ("train", "validation") if name in job.inputs}
    sets = {name: read_rows(file) for name, file in files.items()}
    for name, rows in sets.items():
        findings += check_answers(rows, str(files[name]), single=single, learned=name == "train")
    if not findings:
        findings += check_template(tokenizer, prompt, next(row for row in sets["train"] if row.completion))
    if findings:
        raise InputError(findings)
    encode = verdicts if single else comparisons
    found = {name: encode(tokenizer, prompt, rows, params.max_length) for name, rows in sets.items()}
    for name, examples in found.items():
        findings += check_both(examples, base, stop_ids(tokenizer, base), params, str(files[name]))
    if findings:
        raise InputError(findings)
    return Ready(tokenizer, found["train"], found.get("validation"))


def comparisons(tokenizer: Any, prompt: Prompt, rows: Sequence[Row], max_length: int) -> Examples:
    """Pairs of answers as tokens; a pair of which one side is above `max_length` tokens is set aside whole."""
    pairs = []
    for row in rows:
        asked = prompt_ids(tokenizer, prompt, row)
        better, worse = (
            answered(row.id, asked, completion_ids(tokenizer, text or "")) for text in (row.completion, row.rejected)
        )
        pairs.append(Compared(better.id, better.ids, better.labels, other=worse))
    return _fitting(pairs, max_length)


def verdicts(tokenizer: Any, prompt: Prompt, rows: Sequence[Row], max_length: int) -> Examples:
    """Judged answers as tokens, each beside the next answer to another prompt; a comparison is two verdicts."""
    judged = [
        (f"{row.id}/{'chosen' if good else 'rejected'}", prompt_ids(tokenizer, prompt, row), text, good)
        for row in rows
        for text, good in ((row.completion, True), (row.rejected, False))
        if text is not None
    ]
    answers = [completion_ids(tokenizer, text) for _, _, text, _ in judged]
    found = []
    for at, (name, asked, _, good) in enumerate(judged):
        own, turns = answered(name, asked, answers[at]), [(at + step) % len(judged) for step in range(1, len(judged))]
        apart = next((each for each in turns if judged[each][1] != asked), turns[0])
        # It only shows how far the model moved: what does not fit is left out.
        strange = answered(name, asked, answers[apart][: max(1, max_length - len(asked))])
        found.append(Compared(own.id, own.ids, own.labels, other=strange, good=good))
    return _fitting(found, max_length)


def _fitting(pairs: Iterable[Compared], max_length: int) -> Examples:
    kept: list[Compared] = []
    too_long: list[Compared] = []
    for pair in pairs:
        (kept if max(len(pair.ids), len(pair.other.ids)) <= max_length else too_long).append(pair)
    return Examples(tuple(kept), tuple(too_long))


def check_answers(rows: Sequence[Row], file: str, *, single: bool, learned: bool) -> list[Finding]:
    """Every row says which answer is better, and the two can be told apart.

    Args:
        rows: of a file.
        file: where they stand.
        single: whether the loss learns from single answers, good and bad ones.
        learned: whether the rows are trained on; else both kinds need not be there.
    """
    judged = any(row.completion is None or row.rejected is None for row in rows)
    if judged and not single:
        plain = all(row.rejected is None for row in rows)
        what = "give one answer each and say nothing of a worse one" if plain else "judge single answers"
        message = f"The rows {what}; this loss compares a chosen with a rejected answer."
        fix = "Give rows with prompt, chosen and rejected" + ("." if plain else ", or set preference_loss to kto.")
        return [finding("DATA108", message, fix, file)]
    findings = [
        finding(code, message.format(count=len(wrong), first=wrong[0].id), fix, file)
        for code, holds, message, fix in _WRONG
        if (wrong := [row for row in rows if holds(row)])
    ]
    kinds = {good for row in rows for text, good in ((row.completion, True), (row.rejected, False)) if text is not None}
    if learned and len(kinds) == 1:
        only = "good" if kinds == {True} else "bad"
        message = f"All {len(rows)} rows have {only} answers: without the other kind, nothing is told apart."
        findings.append(finding("DATA112", message, "Add rows whose label is the other one.", file))
    return findings


def _said(text: str | None) -> str:
    return (text or "").strip()


def _empty(row: Row) -> bool:
    return any(text is not None and not text.strip() for text in (row.completion, row.rejected))


_WRONG: tuple[tuple[str, Callable[[Row], bool], str, str], ...] = (
    (
        "DATA109",
        _empty,
        "{count} rows have an empty answer, the first is {first}.",
        "Give every row its answers, or take it out.",
    ),
    (
        "DATA110",
        lambda row: bool(_said(row.completion)) and _said(row.completion) == _said(row.rejected),
        "{count} rows compare an answer with itself, the first is {first}: nothing can be learned from them.",
        "Take them out.",
    ),
    (
        "DATA111",
        lambda row: bool(_said(row.completion)) and _said(row.completion) == _said(row.prompt),
        "In {count} rows the good answer repeats the prompt, the first is {first}.",
        "Correct them, or take them out.",
    ),
)


def check_both(examples: Examples, base: Path, stops: set[int], params: TrainParams, file: str) -> list[Finding]:
    """As of every training row, on both sequences; an answer to another prompt may have lost its end."""
    others = Examples(*(tuple(_other(each) for each in part) for part in (examples.kept, examples.too_long)))
    if not examples.kept:
        pairs = zip(examples.too_long, others.too_long, strict=True)
        longer = tuple(max(pair, key=lambda each: len(each.ids)) for pair in pairs)
        return check_examples(Examples((), longer), base, stops, params, file)
    own = check_examples(examples, base, stops, params, file)
    return (
        own
        if own or given(params.preference_loss) in SINGLE_ANSWERS
        else check_examples(others, base, stops, params, file)
    )


def _other(example: Example) -> Example:
    return example.other if isinstance(example, Compared) else example
