"""The model that answers: one request at a time, token by token, with the adapter that its name asks for."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

from executors.data import Row
from executors.evaluate.constraint import Constraint, mask_logits
from executors.evaluate.local import context_window
from executors.evaluate.questions import questions_for
from executors.models import device_name, load_adapter, load_model, load_tokenizer, virtual_tokens
from executors.prompt.passages import with_passages
from executors.prompt.render import PLAIN_STOP, fitted_ids, turn_end_id
from executors.retrieve.reading import open_index
from executors.serve.asked import Done, Ready, TooLongError
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from executors.serve.asked import Ask
    from executors.serve.variants import Served, Variant


class Engine:
    """A base in memory with its adapters. Not for several threads at once."""

    def __init__(self, served: Served) -> None:
        """Load everything, without the chatter of libraries.

        Raises:
            InputError: the base, an adapter or an index cannot be read, or adapters cannot stand side by side.
        """
        self.variants = {variant.name: variant for variant in served.variants}
        self.tokenizer = load_tokenizer(served.folder)
        self.window = context_window(served.folder)
        self.device = device_name()
        self.model = load_model(served.folder, served.dtype, device=self.device, quantization=served.quantization)
        self.width = int(self.model.get_output_embeddings().weight.shape[0])
        ends = self.model.generation_config.eos_token_id
        kept = ends if isinstance(ends, list) else [ends]
        own = [turn_end_id(self.tokenizer), self.tokenizer.eos_token_id]
        self.stops = sorted({int(end) for end in (*kept, *own) if end is not None})
        # What the model's makers would draw with is not what was measured.
        self.model.generation_config = GenerationConfig(
            bos_token_id=self.tokenizer.bos_token_id, eos_token_id=self.stops, pad_token_id=self.tokenizer.pad_token_id
        )
        self.adapters: dict[str, str] = {}
        for variant in served.variants:
            if variant.adapter is not None:
                self._add(variant)
        # Compiled once: that takes longer than an answer.
        self.forms = {variant.name: self._form(variant) for variant in served.variants}
        self.indexes = {
            variant.name: open_index(variant.search) for variant in served.variants if "index" in variant.search
        }

    def _add(self, variant: Variant) -> None:
        """Load an adapter beside the others; the same one is loaded once."""
        folder = variant.adapter
        if folder is None or str(folder) in self.adapters:
            return
        if not self.adapters:
            self.model, name = load_adapter(self.model, folder), "default"
            if not isinstance(self.model, PeftModel):
                message = f"The adapter of {variant.name} changes the base itself: nothing else can be served on it."
                raise InputError.one("SERVE003", message, "Serve its merged model, or one run with a peft adapter.")
        else:
            name = f"adapter{len(self.adapters)}"
            try:
                self.model.load_adapter(str(folder), adapter_name=name, is_trainable=False)
            except (ValueError, RuntimeError, KeyError) as error:
                message = f"The adapter of {variant.name} does not stand beside the others: {error}"
                raise InputError.one("SERVE003", message, "Serve it apart, on a port of its own.") from error
            self.model.eval()
        self.adapters[str(folder)] = name

    def read(self, ask: Ask) -> Ready:
        """A request as tokens, with passages where its model was measured with some.

        Raises:
            TooLongError: it does not fit the context window together with its answer.
        """
        variant = self.variants[ask.model]
        passages: tuple[str, ...] = ()
        stop = ask.stop
        if ask.turns is None:
            ids: list[int] = self.tokenizer(ask.text)["input_ids"]
        else:
            turns, spare, passages = self._turns(variant, ask.turns)
            most = ask.max_tokens or variant.answer_tokens
            ids, _ = fitted_ids(self.tokenizer, turns, spare, None if self.window is None else self.window - most)
            stop = stop if self.tokenizer.chat_template else (*stop, PLAIN_STOP)
        limit = self._limit(variant, ask, len(ids))
        return Ready(ask, variant, ids, limit, stop, passages)

    def _turns(
        self, variant: Variant, turns: Sequence[dict[str, str]]
    ) -> tuple[list[dict[str, str]], int, tuple[str, ...]]:
        """The conversation as the rung was measured, how many examples may be left out, and the documents cited."""
        if variant.prompt is None:
            return list(turns), 0, ()
        # Who repeats the instruction means it once; other system text is added to it, as to a row's.
        repeated = turns[0] == {"role": "system", "content": variant.prompt.system}
        row = Row("request", turns[-1]["content"], None, tuple(turns[int(repeated) : -1]))
        found = []
        if variant.name in self.indexes:
            wanted = variant.params.passages if variant.params else None
            [found] = self.indexes[variant.name].retrieve([row.prompt], wanted or variant.prompt.passages)
            row = with_passages(row, found)
        [question] = questions_for(variant.prompt, [row])
        return list(question.turns), question.spare, tuple(passage.document for passage in found)

    def _limit(self, variant: Variant, ask: Ask, tokens: int) -> int:
        limit = ask.max_tokens or variant.answer_tokens
        if self.window is None:
            return limit
        window = self.window - (virtual_tokens(variant.adapter) if variant.adapter else 0)
        if ask.max_tokens is None:
            limit = min(limit, window - tokens)
        if limit < 1 or tokens + limit > window:
            more = f", and asks for {ask.max_tokens} more" if ask.max_tokens else ""
            raise TooLongError(f"This model reads {window} tokens in all; the request has {tokens}{more}.")
        return limit

    def answer(self, ready: Ready, say: Callable[[str], None], stopped: Callable[[], bool]) -> Done:
        """Generate, and give every piece of text as soon as it is sure.

        Args:
            ready: the request.
            say: called with each piece; together they are the answer.
            stopped: whether nobody waits for the answer any more.
        """
        ask = ready.ask
        if ask.seed is not None:
            torch.manual_seed(ask.seed)
        ids = torch.tensor([ready.ids], device=self.model.device)
        reader = _Reader(self.tokenizer, ready, set(self.stops), say, stopped)
        # Asked as it was measured, a rung keeps to its form; a text that is continued has none.
        constraint = self.forms[ask.model] if ask.turns is not None else None
        drawn = {"temperature": ask.temperature, "top_p": ask.top_p, "top_k": 0} if ask.temperature else {}
        with torch.inference_mode(), self._using(ready.variant):
            self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=ready.max_tokens,
                do_sample=bool(ask.temperature),
                stopping_criteria=[reader],
                logits_processor=[] if constraint is None else [_Held(constraint, len(ready.ids))],
                **drawn,
            )
        return reader.end()

    def _form(self, variant: Variant) -> Constraint | None:
        """The form that answers of a rung were held to."""
        params, form = variant.params, variant.form
        if params is None or form is None or params.decoding == "head":
            return None
        if params.decoding == "free":
            return None
        return Constraint(params.decoding, form, self.tokenizer, self.width, frozenset(self.stops))

    @contextmanager
    def _using(self, variant: Variant) -> Iterator[None]:
        """The adapter of a variant on top, or none."""
        if variant.adapter is not None:
            self.model.set_adapter(self.adapters[str(variant.adapter)])
        bare = variant.adapter is None and self.adapters
        with self.model.disable_adapter() if bare else nullcontext():
            yield


class _Held(LogitsProcessor):  # type: ignore[misc]
    """Keeps an answer inside its form."""

    def __init__(self, constraint: Constraint, asked: int) -> None:
        self.matcher, self.width, self.asked = constraint.start(), constraint.width, asked

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The scores of the next token, of shape [1, vocabulary], without what would leave the form."""
        if input_ids.shape[1] > self.asked and not self.matcher.is_terminated():
            self.matcher.accept_token(int(input_ids[0, -1]))
        return mask_logits(scores, [self.matcher], self.width)


class _Reader(StoppingCriteria):  # type: ignore[misc]
    """Reads tokens as they are made, says what cannot change any more, and stops where the answer ends."""

    def __init__(
        self, tokenizer: Any, ready: Ready, ends: set[int], say: Callable[[str], None], stopped: Callable[[], bool]
    ) -> None:
        self.tokenizer, self.ready, self.ends, self.say, self.stopped = tokenizer, ready, ends, say, stopped
        self.made: list[int] = []
        self.said = 0
        self.text = ""
        self.reason = "length"

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:  # noqa: ARG002
        """Whether to stop, of shape [1]."""
        token = int(input_ids[0, -1])
        over = self.stopped()
        if token in self.ends:
            self.reason, over = "stop", True
        else:
            self.made.append(token)
            over = self._read() or over
        return torch.tensor([over], device=input_ids.device)

    def _read(self) -> bool:
        """Take the new text in; whether a stop text ends it."""
        text = self.tokenizer.decode(self.made, skip_special_tokens=True)
        # Spaces around an answer are no part of it, as evaluation reads it; text that is continued keeps them.
        text = text.lstrip() if self.ready.ask.turns is not None else text
        found = [at for stop in self.ready.stop if (at := text.find(stop)) >= 0]
        if found:
            self.reason, self.text = "stop", text[: min(found)]
            return True
        self.text = text
        # What may yet become a stop text, another letter, or a space at the end, is not said.
        self._say(len(text) - max(_unsure(text, stop) for stop in (*self.ready.stop, "\ufffd", "\n", " ")))
        return False

    def _say(self, until: int) -> None:
        sure = self.text[:until].rstrip("\ufffd")
        sure = sure.rstrip() if self.ready.ask.turns is not None else sure
        if len(sure) > self.said:
            self.say(sure[self.said :])
            self.said = len(sure)

    def end(self) -> Done:
        """Say the rest."""
        last = self.text.rstrip() if self.ready.ask.turns is not None else self.text
        if len(last) > self.said:
            self.say(last[self.said :])
        count = len(self.made)
        return Done(len(self.ready.ids), count, self.reason)


def _unsure(text: str, stop: str) -> int:
    """How many characters at the end of a text may be the beginning of a stop text."""
    return next((size for size in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:size])), 0)
