"""Scores of text agree with the definitions and libraries that papers use."""

from __future__ import annotations

import random
import re
import string

import pytest

from executors.evaluate.case import AnswerForm, Case
from executors.evaluate.metrics import SCORES
from executors.evaluate.scoring import measure
from executors.intervals import macro_f1

TEXT = AnswerForm("text")
WORDS = ["the", "a", "Fox", "fox,", "dog's", "jumps!", "over", "an", "42", "blue-green", "(sky)", "été"]


def pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    draw = random.Random(seed)  # noqa: S311
    return [
        (
            " ".join(draw.choices(WORDS, k=draw.randint(0, 9))),
            " ".join(draw.choices(WORDS, k=draw.randint(1, 9))),
        )
        for _ in range(count)
    ]


def squad_words(text: str) -> list[str]:
    """SQuAD's normal form by another way: letter by letter, then word by word."""
    letters = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return [word for word in re.split(r"\s+", letters) if word and word not in {"a", "an", "the"}]


def test_squad_match_and_f1_follow_their_definition_on_random_pairs() -> None:
    for said, wanted in pairs(1000):
        case, left, rest = Case(TEXT, said, wanted), squad_words(said), squad_words(wanted)
        shared = sum(min(left.count(word), rest.count(word)) for word in set(left))
        precision, recall = (shared / len(words) if words else 0.0 for words in (left, rest))
        f1 = 2 * precision * recall / (precision + recall) if shared else float(left == rest == [])
        assert SCORES["normalised_match"](case, strict=True) == (left == rest)
        assert SCORES["token_f1"](case, strict=True) == pytest.approx(f1)


def test_squad_match_ignores_articles_case_and_signs() -> None:
    assert SCORES["normalised_match"](Case(TEXT, "The Panthers!", "panthers"), strict=True)
    assert SCORES["token_f1"](Case(TEXT, "the Carolina Panthers", "Panthers"), strict=True) == pytest.approx(2 / 3)


def test_chrf_and_bleu_of_a_corpus_are_sacrebleus() -> None:
    from sacrebleu import corpus_bleu, corpus_chrf

    some = pairs(1000, seed=1)
    cases = [Case(TEXT, said, wanted) for said, wanted in some]
    found = measure(cases, ["bleu", "chrf"], seed=0)
    said, wanted = [one for one, _ in some], [[other for _, other in some]]
    assert found["bleu"].value == pytest.approx(corpus_bleu(said, wanted).score / 100)
    assert found["chrf"].value == pytest.approx(corpus_chrf(said, wanted).score / 100)
    for name in ("bleu", "chrf"):
        assert (found[name].low or 0) < found[name].value < (found[name].high or 0)


def test_macro_f1_is_scikit_learns() -> None:
    from sklearn.metrics import f1_score

    draw = random.Random(2)  # noqa: S311
    for _ in range(50):
        labels = ["a", "b", "c", "d"][: draw.randint(2, 4)]
        some = [(draw.choice([*labels, ""]), draw.choice(labels)) for _ in range(20)]
        wanted = [expected for _, expected in some]
        expected = f1_score(
            wanted, [said for said, _ in some], labels=sorted(set(wanted)), average="macro", zero_division=0
        )
        assert macro_f1(some, seed=0).value == pytest.approx(expected)


def test_rouge_l_is_rouge_scores() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    plain = RougeScorer(["rougeL"], use_stemmer=False)
    for said, wanted in pairs(1000, seed=3):
        expected = plain.score(wanted, said)["rougeL"].fmeasure
        assert SCORES["rouge_l"](Case(TEXT, said, wanted), strict=True) == pytest.approx(expected)


def test_any_accepted_answer_will_do() -> None:
    case = Case(TEXT, "Forty euros.", "40 euros", ("forty euros",))
    assert SCORES["normalised_match"](case, strict=True)
    assert SCORES["token_f1"](case, strict=True) == 1.0
    assert not SCORES["exact_match"](case, strict=True)


@pytest.mark.parametrize(
    ("metric", "format_", "good", "fenced", "bad"),
    [
        ("yaml_valid", "yaml", "a: 1\nb: [2]", "```yaml\na: 1\n```", "a: [1"),
        ("code_valid", "code", "def f():\n    return 1", "Here:\n```python\nf()\n```", "def f("),
        ("html_valid", "html", "<p>Hi <b>you</b></p>", "```html\n<p>Hi</p>\n```", "<p>Hi <b>you</p>"),
        ("sql_valid", "sql", "select a from t where b = 1", "```sql\nselect 1\n```", "select from where"),
    ],
)
def test_validity_is_what_the_parser_of_the_form_says(
    metric: str, format_: str, good: str, fenced: str, bad: str
) -> None:
    form = AnswerForm(format_)  # type: ignore[arg-type]
    scores = [
        [SCORES[metric](Case(form, text, ""), strict=strict) for strict in (True, False)]
        for text in (good, fenced, bad)
    ]
    assert scores == [[True, True], [False, True], [False, False]]
