"""Gaps inside a text: the tokens that mark its parts, found in the vocabulary, and the order in which they are read.

Which tokens a model has is no question of its name: StarCoder, Qwen, CodeLlama, DeepSeek and others spell them in their
own ways, for the same orders [bavarian-2022-fim].
"""

from __future__ import annotations

from typing import Any, NamedTuple

from planner.documents.public_rows import HOLE

# Before the prefix, before the suffix, and where the middle is to be written.
SPELLINGS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),
    ("<PRE>", "<SUF>", "<MID>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # noqa: RUF001
)
# What a model without any is given.
ADDED = SPELLINGS[0]
# With which some end the middle.
ENDS = ("▁<EOT>", "<EOT>")


class Marks(NamedTuple):
    """Ids of the tokens that stand before the prefix, before the suffix, and before the middle."""

    prefix: int
    suffix: int
    middle: int


def marks_of(tokenizer: Any) -> Marks | None:
    """The marks that a vocabulary holds; None when it holds none."""
    known = tokenizer.get_vocab()
    found = next((words for words in SPELLINGS if all(word in known for word in words)), None)
    return None if found is None else Marks(*(known[word] for word in found))


def gap_ends(tokenizer: Any) -> list[int]:
    """Tokens of a vocabulary that end a middle and nothing else."""
    known = tokenizer.get_vocab()
    return [known[word] for word in ENDS if word in known]


def parts(text: str) -> tuple[str, str] | None:
    """What stands before and after the hole of a request; None when it has none, or several."""
    before, *after = text.split(HOLE)
    return (before, after[0]) if len(after) == 1 else None


def infill_ids(tokenizer: Any, marks: Marks, prefix: str, suffix: str, *, suffix_first: bool = False) -> list[int]:
    """The tokens behind which the middle is written.

    Args:
        tokenizer: of the model.
        marks: that it knows.
        prefix: text before the gap.
        suffix: text after it.
        suffix_first: whether the prefix is read last, right before what continues it.
    """
    before, after = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prefix, suffix))
    # What the tokenizer opens every text with, which is at most one token.
    opening = [token for token in tokenizer("")["input_ids"] if token == tokenizer.bos_token_id][:1]
    if suffix_first:
        return [*opening, marks.prefix, marks.suffix, *after, marks.middle, *before]
    return [*opening, marks.prefix, *before, marks.suffix, *after, marks.middle]
