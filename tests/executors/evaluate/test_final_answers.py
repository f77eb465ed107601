"""What reasoning ends with is found behind the marks that data sets use, and compared as a number where it is one."""

from __future__ import annotations

import pytest

from executors.diagnose.content import content
from executors.diagnose.symptoms import symptom
from executors.evaluate.backends import Answer
from executors.evaluate.case import AnswerForm, Case
from executors.evaluate.final_answers import marked, plain
from executors.evaluate.metrics import SCORES
from executors.evaluate.questions import vote

TEXT = AnswerForm("text")
GSM = "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nShe sold 48+24 = 72 clips.\n#### 72"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (GSM, "72"),
        ("#### 1\nno, wait\n#### 1,024", "1,024"),
        ("so it is \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
        ("The answer is: 42.", "42"),
        ("First 3. Final Answer: $3.50.\nDone", "$3.50"),
        ("The answer is 3.5", "3.5"),
        ("The first answer is 3. The answer is 4.", "4"),
        ("an answer", None),
        ("", None),
    ],
)
def test_the_last_mark_tells_the_final_answer(text: str, found: str | None) -> None:
    assert marked(text) == found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,024", "1024.0"),
        ("$18", "18"),
        ("18.", "18 dollars"),
        ("50%", "50"),
        (".5", "0.50"),
        ("The cat!", "cat"),
        ("-0", "0"),
    ],
)
def test_one_answer_is_written_in_many_ways(one: str, other: str) -> None:
    assert plain(one) == plain(other)


@pytest.mark.parametrize(("one", "other"), [("3/4", "34"), ("-5", "5"), ("1.5", "15"), ("12 apples", "1")])
def test_other_answers_stay_others(one: str, other: str) -> None:
    assert plain(one) != plain(other)


@pytest.mark.parametrize(
    ("said", "strict", "lenient"),
    [
        ("48 + 24 = 72\n#### 72", True, True),
        ("72", True, True),
        ("She sold 72 clips.\nThe answer is $72.00.", True, True),
        ("The answer is 72 clips.", False, True),
        ("She sold 48 + 24 = 72 clips altogether", False, True),
        ("72 clips, of which 24 in May", False, False),
        ("#### 71", False, False),
        ("", False, False),
    ],
)
def test_strict_wants_the_mark_and_lenient_the_last_number(said: str, strict: bool, lenient: bool) -> None:
    case = Case(TEXT, said, GSM)
    assert [SCORES["final_answer"](case, strict=each) for each in (True, False)] == [strict, lenient]
    assert [SCORES["accuracy"](case, strict=each) for each in (True, False)] == [strict, lenient]
    assert content(case) == float(lenient)
    assert (symptom(case) is None) == strict


def test_words_may_be_the_final_answer() -> None:
    case = Case(TEXT, "Paris is the capital, as we know.", "Reason.\nThe answer is Paris.")
    assert [SCORES["final_answer"](case, strict=each) for each in (True, False)] == [False, True]


def test_several_answers_vote_by_what_they_end_with() -> None:
    said = ["2+2 is 5\n#### 5", "two and two\n#### 4", "count: four.\n#### 4.0"]
    assert vote([Answer(text) for text in said], TEXT).text == said[1]
