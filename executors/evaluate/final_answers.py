"""The final answer at the end of reasoning: marked as data sets mark it, compared as numbers where it is one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from executors.evaluate.text_scores import squad_normal
from executors.text_match import contains

if TYPE_CHECKING:
    from executors.evaluate.case import Case

BOXED = "\\boxed{"
# GSM8K's mark, and the phrase of MetaMath and of step-by-step prompts [cobbe-2021-gsm8k].
_HASHES = re.compile(r"####[ \t]*([^\n]+)")
_PHRASE = re.compile(r"\banswer(?:\s+is|:)\s*:?\s*([^\n]*?)(?=\.(?:\s|$)|\n|$)", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-+]?\.\d+")
_AROUND = " \t*_$€£\\()[]:=\"'`"
_UNITS = re.compile(r"^\s*(?:%|percent|dollars?|degrees?)?\s*\.?$", re.IGNORECASE)


def marked(text: str) -> str | None:
    """What stands after the last mark of a final answer (`####`, `boxed`, `the answer is`); None without a mark."""
    hashes = _HASHES.findall(text)
    if hashes:
        return str(hashes[-1]).strip()
    start = text.rfind(BOXED)
    if start >= 0:
        return _braced(text, start + len(BOXED))
    phrases = [found.strip() for found in _PHRASE.findall(text) if found.strip()]
    return phrases[-1] if phrases else None


def _braced(text: str, start: int) -> str:
    """The text up to the brace that closes the one before `start`."""
    depth = 1
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return text[start:at].strip()
    return text[start:].strip()


def plain(answer: str) -> str:
    """An answer in one way of writing: numbers without separators, signs of money and trailing zeros."""
    bare = answer.strip(_AROUND).rstrip(".").strip(_AROUND)
    found = _NUMBER.match(bare)
    if found and _UNITS.match(bare[found.end() :]):
        return number(found[0])
    # Signs between digits, as in 3/4, are part of the answer.
    return "".join(bare.lower().split()) if any(map(str.isdigit, bare)) else squad_normal(bare) or bare


def number(text: str) -> str:
    """A number in one way of writing."""
    from decimal import Decimal

    value = Decimal(text.replace(",", "")).normalize()
    return format(value if value else Decimal(0), "f")


def final_answer(case: Case, *, strict: bool) -> bool:
    """The final answer is an accepted one.

    Strict: it stands alone, or behind a mark. Lenient: else the last number counts where a number is expected, and
    any place of the text where words are.
    """
    wanted = {plain(marked(text) or text) for text in case.accepted}
    said = marked(case.prediction)
    if plain(case.prediction if said is None else said) in wanted:
        return True
    return not strict and _is_in(case.prediction if said is None else said, wanted)


def _is_in(text: str, wanted: set[str]) -> bool:
    numbers = _NUMBER.findall(text)
    if numbers and number(numbers[-1]) in wanted:
        return True
    return any(not _NUMBER.fullmatch(each) and contains(text, each) for each in wanted)
