"""Constrained decoding: only tokens that keep an answer inside its form may follow, by xgrammar."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.evaluate.case import AnswerForm

Decoding = Literal["free", "labels", "schema", "pattern", "grammar"]
# Longest run of spaces between the parts of JSON: a model that may, pads without end.
WHITESPACE = 2


class Constraint:
    """A form, compiled for one vocabulary; `start` gives the matcher of one answer."""

    def __init__(self, decoding: Decoding, form: AnswerForm, tokenizer: Any, vocabulary: int, stops: frozenset[int]):
        """Compile the form.

        Args:
            decoding: `labels`, `schema` (JSON of the schema, or any JSON without one), `pattern` (a regular
                expression), `grammar` (the form's own, or JSON's).
            form: the labels, the schema, the expression or the grammar.
            tokenizer: of the model that answers.
            vocabulary: width of the model's logits, padding included.
            stops: tokens that end an answer.

        Raises:
            InputError: the form cannot be compiled, or there is none to constrain to.
        """
        import xgrammar

        self._stops = sorted(stops)
        about = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=vocabulary, stop_token_ids=self._stops)
        compiler = xgrammar.GrammarCompiler(about)
        try:
            self._grammar = _compile(compiler, decoding, form, spaced=not tokenizer.chat_template)
        except (RuntimeError, ValueError) as error:
            message = f"Answers cannot be constrained to the {decoding}: {str(error).strip().splitlines()[-1]}"
            fix = "Simplify it, or set the decision `decoding` to `free`."
            raise InputError.one("EVAL010", message, fix, pointer="/params/decoding") from error
        self.width = vocabulary

    def start(self) -> Any:
        """The matcher of a new answer."""
        import xgrammar

        return xgrammar.GrammarMatcher(self._grammar, override_stop_tokens=self._stops)


def mask_logits(logits: Any, matchers: Sequence[Any], width: int) -> Any:
    """The logits of the next token, of shape [rows, width]; what would leave a row's form is minus infinity."""
    import xgrammar

    mask = xgrammar.allocate_token_bitmask(len(matchers), width)
    for row, matcher in enumerate(matchers):
        if matcher.is_terminated():
            mask[row] = -1
        else:
            matcher.fill_next_token_bitmask(mask, row)
    # Kernels exist for CUDA and for the CPU in fp32.
    here = logits if logits.device.type == "cuda" else logits.float().cpu()
    xgrammar.apply_token_bitmask_inplace(here, mask.to(here.device))
    return here.to(logits.device)


def _compile(compiler: Any, decoding: Decoding, form: AnswerForm, *, spaced: bool) -> Any:
    """The form as a grammar; `spaced` labels start with a space, as the answers of a base model do."""
    import xgrammar

    if form.grammar is not None and decoding in ("pattern", "grammar"):
        if decoding == "grammar":
            return compiler.compile_grammar(form.grammar)
        held = xgrammar.Grammar.from_regex(form.grammar)
        space = xgrammar.Grammar.from_ebnf('root ::= " "')
        return compiler.compile_grammar(xgrammar.Grammar.concat(space, held) if spaced else held)
    if decoding == "pattern":
        raise ValueError("no regular expression is given")
    if decoding == "labels":
        if not form.labels:
            raise ValueError("no labels are given")
        # JSON's escapes are those of the grammar's strings.
        words = " | ".join(json.dumps(label, ensure_ascii=False) for label in form.labels)
        lead = '" " ' if spaced else ""
        return compiler.compile_grammar(f"root ::= {lead}({words})")
    if form.schema is not None:
        text = json.dumps(form.schema)
        return compiler.compile_json_schema(text, any_whitespace=True, max_whitespace_cnt=WHITESPACE)
    if form.format != "json":
        raise ValueError(f"there is no grammar for the format {form.format}")
    return compiler.compile_builtin_json_grammar()
