"""What must hold before a model is loaded: the data trains what it should, and there is room for the result."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.data import read_rows
from executors.models import load_tokenizer
from executors.prompt.document import read_prompt
from executors.prompt.render import messages
from executors.retrieve.reading import open_index, to_learn_from
from executors.train.examples import IGNORED, Example, Examples, encode
from executors.train.packing import pack
from executors.train.room import check_room
from planner.documents import Finding, InputError, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from executors.contract import Job
    from executors.data import Row
    from executors.prompt.document import Prompt
    from executors.train.params import TrainParams
    from planner.documents import JsonValue


@dataclass(frozen=True)
class Ready:
    """What passed."""

    tokenizer: Any
    train: Examples
    validation: Examples | None
    notes: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the objective tells of its data."""
    labels: tuple[str, ...] = ()
    """What a head gives scores to, in their order."""


def preflight(job: Job) -> Ready:
    """Check all that can be checked without the weights.

    Raises:
        AdaptError: with a finding for each thing that is wrong.
    """
    base = Path(job.inputs["model"])
    tokenizer = load_tokenizer(base)
    prompt = read_prompt(Path(job.inputs["prompt"]))
    findings = [*check_room(job), *check_end(tokenizer, base)]
    sets = {name: Path(job.inputs[name]) for name in ("train", "validation") if name in job.inputs}
    files = {name: (file, read_rows(file)) for name, file in sets.items()}
    findings += [each for file, rows in files.values() for each in check_rows(rows, str(file))]
    if not findings and "index" in job.inputs:
        index = open_index(job.inputs)
        files = {name: (file, to_learn_from(index, rows)) for name, (file, rows) in files.items()}
    if not findings:
        findings += check_template(tokenizer, prompt, files["train"][1][0])
    if findings:
        raise InputError(findings)
    params = job.params
    encoded = {
        name: encode(tokenizer, prompt, rows, params.max_length, params.learn_turns if name == "train" else "last")
        for name, (_, rows) in files.items()
    }
    for name, examples in encoded.items():
        stops = stop_ids(tokenizer, base)
        findings += check_examples(examples, base, stops, params, str(files[name][0]))
    if findings:
        raise InputError(findings)
    train = pack(encoded["train"], params.max_length) if params.packing else encoded["train"]
    return Ready(tokenizer, train, encoded.get("validation"))


def check_rows(rows: Iterable[Row], file: str) -> list[Finding]:
    """Every row has an answer: a row without one would be masked whole, and teach nothing or the end alone."""
    empty = [row.id for row in rows if not (row.completion or "").strip()]
    if not empty:
        return []
    message = f"{len(empty)} rows have no answer, the first is {empty[0]}: nothing in them would be trained."
    return [finding("DATA101", message, "Give every training row an answer, or take it out.", file)]


def check_end(tokenizer: Any, base: Path) -> list[Finding]:
    """There is a token that generation stops at."""
    if stop_ids(tokenizer, base):
        return []
    message = "Neither the tokenizer nor the generation config names an end token: the model could not learn to stop."
    return [finding("TRAIN001", message, "Set eos_token in tokenizer_config.json.", str(base))]


def check_template(tokenizer: Any, prompt: Prompt, row: Row) -> list[Finding]:
    """The template opens the answer's turn when asked to; else serving would start elsewhere than training."""
    if not tokenizer.chat_template:
        return []
    turns = messages(prompt, row)
    render = tokenizer.apply_chat_template
    opened = render(turns, tokenize=False, add_generation_prompt=True)
    whole = render([*turns, {"role": "assistant", "content": row.completion}], tokenize=False)
    if opened != render(turns, tokenize=False, add_generation_prompt=False) or not whole.startswith(opened):
        return []
    header = whole[len(opened) :].partition((row.completion or "").strip())[0]
    if not header.strip():
        return []
    message = (
        f"The chat template does not write {header.strip()!r} for add_generation_prompt: served prompts would lack it."
    )
    return [finding("TRAIN002", message, "Use a chat template with a generation prompt.")]


def check_examples(
    examples: Examples, base: Path, stops: set[int], params: TrainParams, file: str, *, new_tokens: int = 0
) -> list[Finding]:
    """Rows fit, are known to the model, and end with a token that stops generation."""
    if not examples.kept:
        shortest = min(len(example.ids) for example in examples.too_long)
        longer = f"All {len(examples.too_long)} rows are longer than {params.max_length} tokens"
        message = f"{longer}, the shortest has {shortest}."
        window = _window(base, params)
        fix = f"Set max_length to {shortest} or more."
        if window and shortest > window:
            fix = f"Shorten them, or take a model that reads more: this one reads {window} tokens."
        return [finding("DATA102", message, fix, file)]
    if len(examples.too_long) > len(examples.kept):
        # What would be learned from is another set than the one that was given.
        total, longest = len(examples.too_long) + len(examples.kept), max(len(each.ids) for each in examples.too_long)
        message = f"{len(examples.too_long)} of {total} rows are longer than {params.max_length} tokens."
        fix = f"Set max_length to {longest} to keep them all, or shorten them."
        return [finding("DATA102", message, fix, file)]
    return check_tokens(examples.kept, base, params, file, new_tokens=new_tokens) + check_labels(
        examples.kept, stops, file
    )


def check_tokens(
    examples: Sequence[Example], base: Path, params: TrainParams, file: str, *, new_tokens: int = 0
) -> list[Finding]:
    """Sequences fit the model's window, and it knows their tokens."""
    longest = max(examples, key=lambda example: len(example.ids))
    findings = []
    window = _window(base, params)
    soft = params.virtual_tokens or 0
    if window and len(longest.ids) + soft > window:
        beside = f" beside {soft} virtual ones" if soft else ""
        message = f"Row {longest.id} has {len(longest.ids)} tokens{beside}, but the model reads {window}."
        findings.append(finding("DATA103", message, f"Set max_length to {window - soft} or less.", file))
    vocabulary = _config(base).get("vocab_size")
    highest = max(max(example.ids) for example in examples)
    if vocabulary and highest >= vocabulary + new_tokens:
        message = f"The tokenizer gives token {highest}, but the model knows {vocabulary}."
        findings.append(finding("TRAIN003", message, "Use the tokenizer that belongs to the model.", str(base)))
    return findings


def _config(base: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((base / "config.json").read_text(encoding="utf-8"))
    return found


def _window(base: Path, params: TrainParams) -> int | None:
    """Tokens that the model reads, with its positions as far as they are stretched; None where it does not say."""
    window = _config(base).get("max_position_embeddings")
    return window and int(window * (params.scaling_factor or 1))


def check_labels(examples: Iterable[Example], stops: set[int], file: str) -> list[Finding]:
    """No row is masked whole, and every row ends with a token that generation stops at."""
    masked, endless = [], []
    for example in examples:
        learned = [label for label in example.labels if label != IGNORED]
        if not learned:
            masked.append(example.id)
        elif learned[-1] not in stops:
            endless.append(example.id)
    findings = []
    if masked:
        message = f"All tokens of {len(masked)} rows are masked, the first is {masked[0]}: nothing would be trained."
        findings.append(finding("DATA104", message, "Give every row an answer.", file))
    if endless:
        message = f"{len(endless)} rows, the first is {endless[0]}, do not end with a token that generation stops at."
        fix = "Add the token that ends a turn in the chat template to eos_token_id in generation_config.json."
        findings.append(finding("TRAIN004", message, fix, file))
    return findings


def stop_ids(tokenizer: Any, base: Path) -> set[int]:
    """The tokens at which generation stops when nothing else is said."""
    found: set[int] = set() if tokenizer.eos_token_id is None else {tokenizer.eos_token_id}
    for name in ("generation_config.json", "config.json"):
        file = base / name
        if file.exists():
            ends = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id")
            return found | set(ends if isinstance(ends, list) else [] if ends is None else [ends])
    return found


def finding(code: str, message: str, fix: str, file: str | None = None) -> Finding:
    """Something that must be put right before training."""
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(file=file))
