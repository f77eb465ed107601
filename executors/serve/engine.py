"""The model that answers: one request at a time, token by token, with the adapter that its name asks for."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from transformers import GenerationConfig

from executors.data import Row
from executors.evaluate.cache import check_placed, roomy
from executors.evaluate.cache_format import FORMATS
from executors.evaluate.case import AnswerForm
from executors.evaluate.constraint import Constraint
from executors.evaluate.local import context_window
from executors.evaluate.packed import packed_linears
from executors.evaluate.questions import questions_for
from executors.evaluate.rewriting import query, query_request, read_rewriting
from executors.models import adapter_kind, device_name, load_adapter, load_model, load_tokenizer, virtual_tokens
from executors.prompt.passages import with_passages
from executors.prompt.render import PLAIN_STOP, fitted_ids, turn_end_id
from executors.prompt.render import answer as read_answer
from executors.retrieve.reading import open_index
from executors.serve.asked import BadFormError, Ready, TooLongError
from executors.serve.databases import database_of
from executors.serve.reader import Held, Reader
from executors.serve.variants import ANSWER_TOKENS
from planner.documents import InputError, canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from executors.evaluate.rewriting import Rewriting
    from executors.serve.asked import Ask, Done
    from executors.serve.variants import Served, Variant


# Adapters of peft that are a cache themselves.
OWN_CACHE = ("CARTRIDGE", "PREFIX_TUNING")
# Forms of requests that are kept compiled.
KEPT_FORMS = 32
ANY_OBJECT = {"type": "object", "additionalProperties": True}


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
        self.kv_cache = served.kv_cache
        if self.kv_cache != "16-bit":
            check_cache(self.model, served)
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
        self.rewritings = {
            variant.name: read_rewriting(Path(variant.search["rewriting"]))
            for variant in served.variants
            if "rewriting" in variant.search
        }
        self.asked_forms: dict[str, Constraint] = {}
        self.packed: dict[Any, Any] = {}
        """Weights as this processor multiplies them fastest, packed once; as they are measured."""

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
            BadFormError: answers cannot be held to the form that it asks for.
            NoDatabaseError: it does not say of which database it asks.
            TooLongError: it does not fit the context window together with its answer.
        """
        variant = self.variants[ask.model]
        passages: tuple[str, ...] = ()
        stop = ask.stop
        if ask.turns is None:
            # What has no beginning is begun as texts are.
            begin = (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id)
            ids: list[int] = self.tokenizer(ask.text)["input_ids"] or [next(id_ for id_ in begin if id_ is not None)]
        else:
            turns, spare, passages = self._turns(variant, ask, ask.turns)
            most = ask.max_tokens or _answer_tokens(variant, ask)
            ids, _ = fitted_ids(self.tokenizer, turns, spare, None if self.window is None else self.window - most)
            stop = stop if self.tokenizer.chat_template else (*stop, PLAIN_STOP)
        limit = self._limit(variant, ask, len(ids))
        return Ready(ask, variant, ids, limit, stop, passages, self._held_to(ask))

    def _turns(
        self, variant: Variant, ask: Ask, turns: Sequence[dict[str, str]]
    ) -> tuple[list[dict[str, str]], int, tuple[str, ...]]:
        """The conversation as the rung was measured, how many examples may be left out, and the documents cited."""
        database = database_of(variant.prompt.tables if variant.prompt else {}, ask)
        if variant.prompt is None:
            return list(turns), 0, ()
        # Who repeats the instruction means it once; other system text is added to it, as to a row's.
        repeated = turns[0] == {"role": "system", "content": variant.prompt.system}
        row = Row("request", turns[-1]["content"], None, tuple(turns[int(repeated) : -1]), db_id=database)
        found = []
        if variant.name in self.indexes:
            wanted = variant.params.passages if variant.params else None
            searched = self._query(variant, row)
            [found] = self.indexes[variant.name].retrieve([searched], wanted or variant.prompt.passages)
            row = with_passages(row, found)
        [question] = questions_for(variant.prompt, [row])
        return list(question.turns), question.spare, tuple(passage.document for passage in found)

    def _query(self, variant: Variant, row: Row) -> str:
        """What is searched for a request: itself, or what the base makes of it where that was measured to find more."""
        rewriting: Rewriting | None = self.rewritings.get(variant.name)
        if rewriting is None or rewriting.use == "plain":
            return row.prompt
        turns = [{"role": "user", "content": query_request(row, rewriting.instruction)}]
        ids, _ = fitted_ids(self.tokenizer, turns, 0, None)
        given = torch.tensor([ids], device=self.model.device)
        # An adapter has learned to answer, and not to ask.
        with torch.inference_mode(), self._using(None), packed_linears(self.model, self.packed):
            made = self.model.generate(
                input_ids=given,
                attention_mask=torch.ones_like(given),
                max_new_tokens=rewriting.max_new_tokens,
                do_sample=False,
            )
        written = read_answer(self.tokenizer, made[0, len(ids) :].tolist())
        return query(row, " ".join(written.split()), rewriting.use)

    def _limit(self, variant: Variant, ask: Ask, tokens: int) -> int:
        limit = ask.max_tokens or _answer_tokens(variant, ask)
        if self.window is None:
            return limit
        window = self.window - (virtual_tokens(variant.adapter) if variant.adapter else 0)
        if ask.max_tokens is None:
            limit = min(limit, window - tokens)
        if limit < 1 or tokens + limit > window:
            more = f", and asks for {ask.max_tokens} more" if ask.max_tokens else ""
            field = "max_tokens" if tokens < window else "prompt" if ask.turns is None else "messages"
            raise TooLongError(f"This model reads {window} tokens in all; the request has {tokens}{more}.", field)
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
        reader = Reader(self.tokenizer, ready, set(self.stops), say, stopped)
        held = [] if ready.form is None else [Held(ready.form, len(ready.ids))]
        drawn = {"temperature": ask.temperature, "top_p": ask.top_p, "top_k": 0} if ask.temperature else {}
        with torch.inference_mode(), self._using(ready.variant), packed_linears(self.model, self.packed):
            self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=ready.max_tokens,
                do_sample=bool(ask.temperature),
                stopping_criteria=[reader],
                logits_processor=[*([reader.seen] if reader.seen else []), *held],
                **drawn,
                **self._cache(ready),
            )
        return reader.end()

    def _cache(self, ready: Ready) -> dict[str, Any]:
        """Where keys and values go; transformers' own cache in 16 bits."""
        if self.kv_cache == "16-bit":
            return {}
        before = virtual_tokens(ready.variant.adapter) if ready.variant.adapter else 0
        room = before + len(ready.ids) + ready.max_tokens
        return {"past_key_values": roomy(self.model, 1, room, self.kv_cache)}

    def _form(self, variant: Variant) -> Constraint | None:
        """The form that answers of a rung were held to."""
        params, form = variant.params, variant.form
        if params is None or form is None or params.decoding == "head":
            return None
        if params.decoding == "free":
            return None
        return Constraint(params.decoding, form, self.tokenizer, self.width, frozenset(self.stops))

    def _held_to(self, ask: Ask) -> Constraint | None:
        """The form of an answer: what its request asks for, else that which its rung was measured with."""
        if ask.turns is None:
            # A text that is continued has none.
            return None
        own, measured = self.forms[ask.model], self.variants[ask.model].form
        if ask.schema is None or (ask.schema == {} and own is not None and measured and measured.format == "json"):
            return own
        key = canonical_json(ask.schema)
        if key not in self.asked_forms:
            form = AnswerForm("json", ask.schema or ANY_OBJECT)
            try:
                made = Constraint("schema", form, self.tokenizer, self.width, frozenset(self.stops))
            except InputError as error:
                raise BadFormError(error.findings[0].message) from error
            while len(self.asked_forms) >= KEPT_FORMS:
                del self.asked_forms[next(iter(self.asked_forms))]
            self.asked_forms[key] = made
        return self.asked_forms[key]

    @contextmanager
    def _using(self, variant: Variant | None) -> Iterator[None]:
        """The adapter of a variant on top, or none."""
        adapter = variant.adapter if variant else None
        if adapter is not None:
            self.model.set_adapter(self.adapters[str(adapter)])
        bare = adapter is None and self.adapters
        with self.model.disable_adapter() if bare else nullcontext():
            yield


def check_cache(model: Any, served: Served) -> None:
    """Refuse a cache in fewer bits where the model or an adapter brings one of its own.

    Raises:
        InputError: naming what does.
    """
    kept = served.kv_cache
    check_placed(model, kept)
    for variant in served.variants:
        if variant.adapter is not None and adapter_kind(variant.adapter) in OWN_CACHE:
            message = f"The adapter of {variant.name} brings keys and values of its own, which are not kept in {kept}."
            raise InputError.one("SERVE005", message, "Serve it with --cache 16-bit.")
    # What rounds is loaded now, and its libraries say now what they have to say.
    FORMATS[kept].parts(torch.zeros(1, 1, 1, 64))


def _answer_tokens(variant: Variant, ask: Ask) -> int:
    """Longest answer where a request does not say; a form of its own may need more than what was measured."""
    return variant.answer_tokens if ask.schema is None else max(variant.answer_tokens, ANSWER_TOKENS)
