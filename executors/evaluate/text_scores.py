"""Scores of free text: overlap with the accepted answers, by the definitions and libraries that papers use."""

from __future__ import annotations

import re
import string
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

from executors.text_match import contains

if TYPE_CHECKING:
    from collections.abc import Callable

    from executors.evaluate.case import Case

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def squad_normal(text: str) -> str:
    """Lower case, no punctuation, no articles, single spaces: the normal form of SQuAD [rajpurkar-2016-squad]."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def normalised_match(case: Case, *, strict: bool) -> bool:
    """The answer in SQuAD's normal form is an accepted one; lenient: an accepted one stands in it."""
    said = squad_normal(case.prediction)
    if any(said == squad_normal(text) for text in case.accepted):
        return True
    return not strict and any(contains(case.prediction, text) for text in case.accepted)


def token_f1(case: Case, *, strict: bool) -> float:
    """Best F1 of shared words with an accepted answer, in SQuAD's normal form; lenient: 1 where one stands in it."""
    if not strict and any(contains(case.prediction, text) for text in case.accepted):
        return 1.0
    return max(_word_f1(squad_normal(case.prediction).split(), squad_normal(text).split()) for text in case.accepted)


def _word_f1(said: list[str], wanted: list[str]) -> float:
    shared = (Counter(said) & Counter(wanted)).total()
    if not said or not wanted:
        return float(said == wanted)
    return 2 * shared / (len(said) + len(wanted))


def rouge_l(case: Case, *, strict: bool) -> float:
    """Best ROUGE-L F with an accepted answer [lin-2004-rouge]; strict stems nothing, lenient compares stems."""
    scorer = _rouge(stems=not strict)
    return max(float(scorer.score(text, case.prediction)["rougeL"].fmeasure) for text in case.accepted)


def chrf(case: Case, *, strict: bool) -> float:
    """chrF2 of one answer, 0 to 1; lenient ignores case."""
    prediction, accepted = _cased(case, strict=strict)
    return float(_sacrebleu("chrf").sentence_score(prediction, accepted).score) / 100


def sentence_bleu(case: Case, *, strict: bool) -> float:
    """BLEU of one answer with effective order, 0 to 1 [papineni-2002-bleu]; lenient ignores case."""
    prediction, accepted = _cased(case, strict=strict)
    return float(_sacrebleu("sentence-bleu").sentence_score(prediction, accepted).score) / 100


def _cased(case: Case, *, strict: bool) -> tuple[str, list[str]]:
    if strict:
        return case.prediction, list(case.accepted)
    return case.prediction.casefold(), [text.casefold() for text in case.accepted]


@cache
def _rouge(*, stems: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=stems)


@cache
def _sacrebleu(name: str) -> Any:
    from sacrebleu import metrics

    makers: dict[str, Callable[[], Any]] = {
        "bleu": metrics.BLEU,
        "chrf": metrics.CHRF,
        "sentence-bleu": lambda: metrics.BLEU(effective_order=True),
    }
    return makers[name]()


def corpus_score(name: str, predictions: list[str], references: list[list[str]], resamples: int) -> Any:
    """BLEU or chrF over a corpus with its bootstrap interval, 0 to 100, as sacrebleu computes both.

    Args:
        name: `bleu` or `chrf`.
        predictions: an answer a case.
        references: streams of accepted answers, each as long as the predictions; None where a case has fewer.
        resamples: of the bootstrap.
    """
    return _sacrebleu(name).corpus_score(predictions, references, n_bootstrap=resamples)
