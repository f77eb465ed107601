"""Infilling: what belongs into a gap is learned behind what stands before and after it [bavarian-2022-fim]."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from executors.data import read_file
from executors.models import load_model, load_tokenizer
from executors.prompt.infilling import ADDED, Marks, gap_ends, infill_ids, marks_of, parts
from executors.retrieve.documents import ROW_SUFFIXES, SourceDocument, read_documents
from executors.train.belonging import EVERYTHING
from executors.train.examples import Example, Examples, answered, fitting
from executors.train.methods.applied import mark_new
from executors.train.objectives.raw_text import end_of_text_id, hold_out, windows
from executors.train.packing import pack
from executors.train.params import given
from executors.train.preflight import Ready, check_end, check_examples, finding, stop_ids
from executors.train.room import check_room
from planner.documents import InputError

if TYPE_CHECKING:
    from executors.contract import Job
    from executors.train.params import TrainParams
    from planner.documents import Finding

# Methods that can learn tokens which the model has not seen.
LEARN_NEW = EVERYTHING | {"lora", "dora", "qlora"}
# Tokens of a window that are kept free: three marks, an end, and what cuts inside of words add.
SPARE = 12


class Gap(NamedTuple):
    """A text in three parts."""

    id: str
    prefix: str
    middle: str
    suffix: str


class Source(NamedTuple):
    """What a file gives: texts whose gap is given, or whole documents."""

    gaps: list[Gap]
    documents: list[SourceDocument]


def prepare(job: Job) -> Ready:
    """Texts with gaps as sequences; documents get gaps by the seed.

    Raises:
        AdaptError: with a finding for each thing that is wrong.
    """
    base, params = Path(job.inputs["model"]), job.params
    tokenizer = load_tokenizer(base)
    findings = [*check_room(job), *check_end(tokenizer, base)]
    added = marks_of(tokenizer) is None
    if added:
        tokenizer.add_tokens(list(ADDED), special_tokens=True)
        if params.method not in LEARN_NEW:
            message = f"The model has no tokens that mark a gap, and {params.method} could not learn new ones."
            findings.append(finding("TRAIN018", message, f"Use {', '.join(sorted(LEARN_NEW))}.", str(base)))
    files = {name: Path(job.inputs[name]) for name in ("train", "validation") if name in job.inputs}
    sources = {name: _read(file, findings) for name, file in files.items()}
    if findings:
        raise InputError(findings)
    if "validation" not in sources and given(params.held_out) and sources["train"].documents:
        kept, held = hold_out(sources["train"].documents, given(params.held_out), params.seed)
        sources = {"train": Source([], kept), "validation": Source([], held)} if held else sources
    marks, stops = given(marks_of(tokenizer)), stop_ids(tokenizer, base)
    end = _end(tokenizer, stops)
    found = {name: _examples(tokenizer, source, params, marks, end, learning=name == "train")
             for name, source in sources.items()}  # fmt: skip
    for name, examples in found.items():
        file = str(files.get(name, files["train"]))
        findings += check_examples(examples, base, {*stops, end}, params, file, new_tokens=len(ADDED) * added)
    if findings:
        raise InputError(findings)
    train = pack(found["train"], params.max_length) if params.packing else found["train"]
    notes = {"gap_marks": tokenizer.convert_ids_to_tokens(list(marks)), "gap_marks_added": added}
    return Ready(tokenizer, train, found.get("validation"), notes)


def load(base: Path, params: TrainParams, ready: Ready, device: str) -> Any:
    """The base, with a row of its embeddings for each token that was added; each begins as the mean of all."""
    bits = params.base_quantization or "none"
    model = load_model(base, params.base_dtype, attention=params.attention, device=device, quantization=bits)
    if ready.notes["gap_marks_added"]:
        mark_new(model, list(given(marks_of(ready.tokenizer))))
    return model


def _read(file: Path, findings: list[Finding]) -> Source:
    """Rows with a gap, or documents."""
    if file.suffix.lower() in ROW_SUFFIXES or (file.is_file() and not file.suffix):
        read = read_file(file)
        if read.shape != "text":
            split = [(row, parts(row.prompt)) for row in read.rows]
            whole = next((row.id for row, at in split if at is None or row.completion is None), None)
            if whole is not None:
                message = f"The row {whole} has no gap to fill, but the shape {read.shape}."
                fix = "Give rows with prefix, middle and suffix, or whole texts."
                findings.append(finding("DATA106", message, fix, str(file)))
            return Source([Gap(row.id, at[0], row.completion or "", at[1]) for row, at in split if at], [])
    documents = [each for each in read_documents(file) if isinstance(each, SourceDocument)]
    if not documents:
        message = "There is no text to learn from."
        findings.append(finding("DATA105", message, "Give rows with a `text`, or text files.", str(file)))
    return Source([], documents)


def _examples(
    tokenizer: Any, source: Source, params: TrainParams, marks: Marks, end: int, *, learning: bool
) -> Examples:
    """Gaps in both orders and whole texts as their shares say; validated is what serving asks: a gap, prefix first."""
    chance = random.Random(f"gaps:{params.seed}:{learning}")  # noqa: S311 - a choice, not a secret
    gaps, whole = list(source.gaps), list[Example]()
    for document in source.documents:
        for text in _pieces(tokenizer, document, params.max_length):
            if learning and chance.random() >= given(params.fim_rate):
                whole += windows(tokenizer, text, end, params.max_length)
            else:
                first, second = sorted((chance.randint(0, len(text.text)), chance.randint(0, len(text.text))))
                gaps.append(Gap(text.id, text.text[:first], text.text[first:second], text.text[second:]))
    filled = []
    for gap in gaps:
        backwards = learning and chance.random() < given(params.spm_rate)
        asked = infill_ids(tokenizer, marks, gap.prefix, gap.suffix, suffix_first=backwards)
        said = tokenizer(gap.middle, add_special_tokens=False)["input_ids"]
        filled.append(answered(gap.id, asked, [*said, end]))
    return fitting([*filled, *whole], params.max_length)


def _pieces(tokenizer: Any, document: SourceDocument, most: int) -> list[SourceDocument]:
    """A document in texts of at most so many tokens, with room for the marks; gaps are cut at characters."""
    room = max(1, most - SPARE)
    places = tokenizer(document.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = [span for span in places["offset_mapping"] if span[1] > span[0]]
    cuts = [offsets[start][0] for start in range(0, len(offsets), room)]
    return [
        SourceDocument(f"{document.id}@{begin}", document.title, document.text[begin:stop])
        for begin, stop in zip(cuts, [*cuts[1:], len(document.text)], strict=True)
    ]


def _end(tokenizer: Any, stops: set[int]) -> int:
    """The token that ends a middle, at which generation stops: the vocabulary's own, that of texts, or any other."""
    own = gap_ends(tokenizer)
    wanted = [*own, end_of_text_id(tokenizer), tokenizer.eos_token_id]
    return next((token for token in wanted if token in {*stops, *own}), min(stops))
