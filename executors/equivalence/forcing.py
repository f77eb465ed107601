"""What models give for each token of answers that are put before them: the same words for all, nothing generated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from executors.evaluate.labelling import Labelling, questions_of
from executors.evaluate.local import context_window
from executors.evaluate.questions import questions_for
from executors.models import device_name, load_adapter, load_model, load_tokenizer, tokenizer_folder, virtual_tokens
from executors.prompt.document import read_prompt
from executors.prompt.render import completion_ids, fitted_ids

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from executors.contract import Job
    from executors.data import Row
    from executors.quantized import KvCache


class Text(NamedTuple):
    """A prompt and an answer to it, as token ids."""

    prompt: list[int]
    answer: list[int]


def texts_of(job: Job, rows: Sequence[Row], answers: Mapping[str, str]) -> list[Text]:
    """Each row's prompt as the reference read it, and its answer with the end of the turn; `tokens` of answers in all.

    Of a text that is longer than the window, the end is left out.
    """
    params, tokenizer = job.params, load_tokenizer(tokenizer_folder(job.inputs))
    prompt, window = read_prompt(Path(job.inputs["prompt"])), context_window(Path(job.inputs["model"]))
    if window is not None and "adapter" in job.inputs:
        window -= virtual_tokens(Path(job.inputs["adapter"]))
    room = None if window is None else window - params.max_new_tokens - prompt.thinking_tokens
    found: list[Text] = []
    left = params.tokens
    for question, row in zip(questions_for(prompt, rows), rows, strict=True):
        asked, _ = fitted_ids(tokenizer, question.turns, question.spare, room)
        most = left if window is None else min(left, max(window - len(asked), 0))
        given = completion_ids(tokenizer, answers[row.id])[:most]
        if asked and given:
            found.append(Text(asked, given))
            left -= len(given)
    return found


def token_logits(job: Job, texts: Sequence[Text]) -> Iterator[Any]:
    """For each text the logits from which its answer's tokens are chosen, (tokens, vocabulary) in fp32 on the CPU."""
    import torch

    params, folder = job.params, Path(job.inputs["model"])
    model = load_model(folder, params.dtype, device=device_name(), quantization=params.quantization)
    if "adapter" in job.inputs:
        model = load_adapter(model, Path(job.inputs["adapter"]))
    with torch.inference_mode():
        for text in texts:
            if params.kv_cache != "16-bit":
                yield _after_kept(model, text, params.kv_cache)
                continue
            ids = torch.tensor([[*text.prompt, *text.answer]], device=model.device)
            # A soft prompt stands before the tokens, so places are counted from the end.
            yield model(input_ids=ids).logits[0, -len(text.answer) - 1 : -1].float().cpu()


def _after_kept(model: Any, text: Text, kept: KvCache) -> Any:
    """The same with a cache in fewer bits, token by token as an answer is written: each reads those before it."""
    import torch

    from executors.evaluate.cache import check_placed, roomy, soft_prompt

    check_placed(model, kept)
    soft = soft_prompt(model)
    bare = model if soft is None else model.get_base_model()
    before = 0 if soft is None else soft.get_seq_length()
    cache = roomy(bare, 1, before + len(text.prompt) + len(text.answer), kept)
    for mine, given in zip(cache.layers, () if soft is None else soft.layers, strict=soft is not None):
        mine.place(slice(None), 0, given.keys, given.values)
    parts = []
    for ids in (text.prompt, *([token] for token in text.answer[:-1])):
        given = torch.tensor([ids], device=model.device)
        made = bare(input_ids=given, past_key_values=cache, use_cache=True, logits_to_keep=1)
        parts.append(made.logits[0].float().cpu())
    return torch.cat(parts)


def label_logits(job: Job, rows: Sequence[Row]) -> Iterator[Any]:
    """For each row the scores of a classifier's labels, (1, labels) in fp32 on the CPU."""
    read, score, _ = Labelling(job).scorer()
    for question in questions_of(rows):
        yield score([read(question.turns[-1]["content"])])
