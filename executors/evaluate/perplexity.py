"""Perplexity: how surprised a model is by the expected answers, or by raw text, token by token."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from executors.evaluate.batches import plan_batches
from executors.intervals import perplexity
from executors.models import device_name, load_adapter, load_model, load_tokenizer, tokenizer_folder
from executors.progress import tell
from executors.prompt.document import read_prompt
from executors.prompt.nearest import prompts_for
from executors.prompt.render import completion_ids, prompt_ids
from executors.rope import window_of
from planner.documents import Measurement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from executors.contract import Job
    from executors.data import Row

# Numbers in the logits of one pass: what bounds its memory, as vocabularies are large.
MOST_LOGITS = 2**27


class Surprise(NamedTuple):
    """What a model made of one text."""

    nll: float
    """Sum of the negative log-likelihoods of its tokens, in nats."""
    tokens: int


class Piece(NamedTuple):
    """Tokens that are read at once, of which those from `start` on are scored."""

    row: int
    ids: list[int]
    start: int


def surprises(job: Job, rows: Sequence[Row]) -> list[Surprise]:
    """The surprise of a job's model at each row's answer after its prompt; at the whole text of a row without one."""
    tokenizer = load_tokenizer(tokenizer_folder(job.inputs))
    prompts = prompts_for(read_prompt(Path(job.inputs["prompt"])), rows)
    texts = [_tokens(tokenizer, prompt, row) for prompt, row in zip(prompts, rows, strict=True)]
    adapter, most = job.inputs.get("adapter"), job.params.window
    return read_texts(job, texts, job.inputs["model"], adapter, "reading expected answers", most)


def read_texts(
    job: Job,
    texts: Sequence[tuple[list[int], list[int]]],
    model: Path | str,
    adapter: Path | str | None,
    doing: str,
    most: int | None = None,
) -> list[Surprise]:
    """The surprise of a model at each text.

    Args:
        job: whose parameters say how the model is loaded and how many texts are read at once.
        texts: token ids of the context and of what is scored after it.
        model: its folder.
        adapter: folder of an adapter on top.
        doing: what is told of it.
        most: tokens that are read at once; None for all that the model can.
    """
    import torch

    folder = Path(model)
    pad = int(load_tokenizer(folder).pad_token_id)
    loaded = load_model(folder, job.params.dtype, device=device_name(), quantization=job.params.quantization)
    if adapter is not None:
        loaded = load_adapter(loaded, Path(adapter))
    window = min((known for known in (window_of(loaded.config), most) if known), default=None)
    pieces = [piece for at, (context, target) in enumerate(texts) for piece in cut(at, context, target, window)]
    sums, counts = [0.0] * len(texts), [0] * len(texts)
    done = 0
    with torch.inference_mode():
        for batch in _batches(pieces, job.params.batch_size, loaded):
            for piece, nll in zip(batch, _nll(loaded, batch, pad), strict=True):
                sums[piece.row] += nll
                counts[piece.row] += len(piece.ids) - piece.start
            done += len(batch)
            tell(job, doing, done, len(pieces), "texts")
    return [Surprise(nll, count) for nll, count in zip(sums, counts, strict=True)]


def ratio(pairs: Sequence[tuple[Surprise, Surprise]], seed: int) -> Measurement:
    """One model's perplexity over another's on the same texts, which are drawn together for its interval."""
    told = [(mine.nll - theirs.nll, mine.tokens) for mine, theirs in pairs if mine.tokens == theirs.tokens]
    # The quotient of two perplexities is that of the differences: exp(a) / exp(b) = exp(a - b).
    return perplexity(told, seed) if any(tokens for _, tokens in told) else Measurement(value=1.0, n=0)


def cut(row: int, context: list[int], target: list[int], window: int | None) -> Iterator[Piece]:
    """A text in pieces that fit the window, each token of the target scored once.

    A later piece starts with half a window of what was scored before it, so that its first tokens have a context.
    The first token of all has none, and is not scored.
    """
    ids = [*context, *target]
    most = window or len(ids)
    start = max(len(context), 1)
    begin = 0 if start < most else start - most // 2
    while start < len(ids):
        end = min(begin + most, len(ids))
        yield Piece(row, ids[begin:end], start - begin)
        start, begin = end, end - most // 2


def _tokens(tokenizer: Any, prompt: Any, row: Row) -> tuple[list[int], list[int]]:
    """The tokens of a row's context and of what is scored."""
    if row.prompt or row.before:
        return prompt_ids(tokenizer, prompt, row), completion_ids(tokenizer, row.completion or "")
    ids: list[int] = tokenizer(row.completion or "", truncation=False)["input_ids"]
    return [], ids


def _batches(pieces: Sequence[Piece], size: int, model: Any) -> Iterator[list[Piece]]:
    width = model.get_output_embeddings().weight.shape[0]
    for batch in plan_batches([len(piece.ids) for piece in pieces], size):
        rows = max(1, MOST_LOGITS // (width * len(pieces[batch[0]].ids)))
        for first in range(0, len(batch), rows):
            yield [pieces[at] for at in batch[first : first + rows]]


def _nll(model: Any, batch: Sequence[Piece], pad: int) -> list[float]:
    """The sum of negative log-likelihoods of each piece's scored tokens, in nats."""
    import torch

    longest = max(len(piece.ids) for piece in batch)
    ids = torch.tensor([[*piece.ids, *[pad] * (longest - len(piece.ids))] for piece in batch], device=model.device)
    mask = torch.tensor([[1] * len(piece.ids) + [0] * (longest - len(piece.ids)) for piece in batch], device=ids.device)
    known = inspect.signature(model.get_base_model().forward if hasattr(model, "get_base_model") else model.forward)
    more = {"use_cache": False} if "use_cache" in known.parameters else {}
    # A soft prompt stands before the tokens, and has logits of its own.
    logits = model(input_ids=ids, attention_mask=mask, **more).logits[:, -longest:]
    sums = []
    for at, piece in enumerate(batch):
        wanted = ids[at, piece.start : len(piece.ids)]
        said = logits[at, piece.start - 1 : len(piece.ids) - 1].float()
        sums.append(float(torch.nn.functional.cross_entropy(said, wanted, reduction="sum")))
    return sums
