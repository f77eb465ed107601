"""The experiments over a function that answers: every way in which a cause is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.data import Row
from executors.diagnose.experiments import (
    CONSTRAINED,
    EXAMPLES,
    EXPERIMENTS,
    GOLD,
    LENIENT,
    OTHER,
    RETRIEVED,
    STRONGER,
    run,
)
from executors.diagnose.report import make_report, metrics
from executors.diagnose.subject import Lookup, Subject
from executors.diagnose.symptoms import symptom
from executors.diagnose.verdict import READER, SEARCH, SHOWN_READER, decide
from executors.evaluate.case import AnswerForm, Case
from executors.retrieve.chunks import Passage
from tests.executors.tiny import TINY_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.documents import FailureReport
    from planner.documents.task import TaskKind

TEXT = AnswerForm("text")
JSON = AnswerForm("json", TINY_SCHEMA)
EVERY = {experiment.name for experiment in EXPERIMENTS}
PASSAGE = Passage("atlas", "Atlas", "The river is 812 km long and ends in the Grey Sea.")
FAR = Passage("cooking", "Cooking", "Boil the beans for an hour.")
FOUND = Lookup((PASSAGE,), (PASSAGE, FAR), 1, held=True, named=True)
MISSED = Lookup((PASSAGE,), (FAR,), None, held=True, named=True)


class Answers:
    """Answers by experiment; whatever is not named is answered wrong. Remembers what it was asked."""

    def __init__(self, **said: str | None) -> None:
        self.said = {name.replace("_", " "): text for name, text in said.items()}
        self.asked: list[tuple[str, Row]] = []

    def __call__(self, experiment: str, rows: Sequence[Row]) -> list[str | None]:
        self.asked += [(experiment, row) for row in rows]
        return [self.said.get(experiment, "I do not know") for _ in rows]

    def prompt(self, experiment: str) -> str:
        return next(row.prompt for name, row in self.asked if name == experiment)


def subject(
    prediction: str = "It is in Asia",
    *,
    form: AnswerForm = TEXT,
    prompt: str = "Where does the river end?",
    expected: str = "the Grey Sea",
    lookup: Lookup | None = None,
    given: tuple[str, ...] = (),
    name: str = "q1",
) -> Subject:
    case = Case(form, prediction, expected)
    seen = symptom(case)
    assert seen is not None
    row = Row(name, prompt, expected, gold=("atlas",) if lookup else ())
    return Subject(row, case, seen[0], seen[1], given, lookup)


def other() -> Subject:
    """Another failing case, whose gold passage is what the control shows."""
    return subject("?", expected="an hour", lookup=Lookup((FAR,), (FAR,), 1, True, named=True), name="q2")


def told(
    one: Subject, answers: Answers, *, kind: TaskKind = "question-answering", offered: set[str] = EVERY
) -> tuple[str, str, bool]:
    run([one, other()], answers, offered)
    verdict = decide(one, kind)
    assert verdict.evidence
    return verdict.cause, verdict.decided_by, verdict.measured


def test_right_content_in_the_wrong_form_is_behaviour_and_asks_no_model() -> None:
    one, answers = subject("It ends in the Grey Sea, I think.", lookup=FOUND), Answers()
    assert told(one, answers) == ("behaviour", LENIENT, True)
    assert not [row for _, row in answers.asked if row.id == "q1"]


def test_what_the_gold_passage_repairs_is_information_and_spares_the_dearer_experiments() -> None:
    one, answers = subject(lookup=FOUND), Answers(gold_passage="The Grey Sea")
    assert told(one, answers) == ("information", GOLD, True)
    assert PASSAGE.text in answers.prompt(GOLD)
    asked = {name for name, row in answers.asked if row.id == "q1"}
    assert asked == {GOLD, OTHER, RETRIEVED}
    control = next(row for name, row in answers.asked if name == OTHER and row.id == "q1")
    assert FAR.text in control.prompt
    assert PASSAGE.text not in control.prompt


def test_a_gold_passage_that_the_search_does_not_find_is_a_retrieval_miss() -> None:
    answers = Answers(gold_passage="the grey sea")
    assert told(subject(lookup=MISSED), answers) == ("retrieval miss", SEARCH, True)


def test_a_passage_that_was_in_the_prompt_and_not_used_is_the_readers() -> None:
    one = subject(lookup=FOUND, given=("atlas", "cooking"))
    assert told(one, Answers(gold_passage="the Grey Sea")) == ("behaviour", READER, True)


def test_an_answer_that_any_passage_mends_did_not_lack_information() -> None:
    answers = Answers(gold_passage="the Grey Sea", other_passage="the Grey Sea")
    assert told(subject(lookup=FOUND), answers) == ("behaviour", OTHER, True)


def test_what_the_search_brings_is_information_where_nobody_knows_the_gold_passage() -> None:
    unknown = Lookup((), (FAR,), None, held=None)
    answers = Answers(retrieved_passages="the Grey Sea")
    assert told(subject(lookup=unknown), answers) == ("information", RETRIEVED, True)


def test_a_reader_that_follows_when_shown_is_behaviour() -> None:
    one, answers = subject(lookup=FOUND), Answers(nearest_examples="the Grey Sea")
    assert told(one, answers) == ("behaviour", SHOWN_READER, True)
    assert PASSAGE.text in answers.prompt(EXAMPLES), "examples are shown together with the passage"
    assert any("more retrieval will not help" in item.result for item in decide(one, "question-answering").evidence)


def test_what_examples_repair_without_any_passage_is_behaviour_that_can_be_prompted() -> None:
    assert told(subject(), Answers(nearest_examples="the Grey Sea")) == ("behaviour", EXAMPLES, True)


def test_what_only_a_stronger_model_answers_is_capability() -> None:
    assert told(subject(lookup=FOUND), Answers(stronger_model="the Grey Sea")) == ("capability", STRONGER, True)


def test_when_neither_passage_nor_examples_move_it_the_reader_is_the_limit() -> None:
    one = subject(lookup=FOUND)
    assert told(one, Answers()) == ("capability", READER, True)
    assert any("more retrieval" in item.result for item in decide(one, "question-answering").evidence)


def test_when_only_the_passage_was_tried_without_success_the_cause_is_unknown() -> None:
    assert told(subject(lookup=FOUND), Answers(), offered={GOLD, OTHER})[0] == "unknown"


def test_without_documents_missing_information_stays_a_presumption() -> None:
    cause, _, measured = told(subject(), Answers(), offered={EXAMPLES})
    assert (cause, measured) == ("information", False)


def test_a_task_that_nothing_moves_is_unknown_and_says_what_was_tried() -> None:
    one = subject("seven", prompt="What is 12 times 31?", expected="372")
    assert told(one, Answers(), kind="generation", offered={EXAMPLES}) == ("unknown", "nothing helps", False)
    assert any(EXAMPLES in item.result and "stronger" in item.result for item in decide(one, "generation").evidence)


def test_a_passage_that_repairs_a_part_is_information_in_part() -> None:
    one = subject(expected="the northern shore of the Grey Sea", lookup=FOUND)
    cause, by, measured = told(one, Answers(gold_passage="the sea"))
    assert (cause, by, measured) == ("information", f"{GOLD}, in part", True)


def test_a_part_that_a_passage_adds_which_was_there_already_is_the_readers() -> None:
    one = subject(expected="the northern shore of the Grey Sea", lookup=FOUND, given=("atlas", "cooking"))
    assert told(one, Answers(gold_passage="the sea"))[0] == "behaviour"


EXPECTED = '{"intent":"on","slots":{"place":"hall","thing":"lamp"}}'


def json_subject(prediction: str, prompt: str = "turn on the lamp in the hall") -> Subject:
    return subject(prediction, form=JSON, prompt=prompt, expected=EXPECTED)


def test_held_form_that_is_right_is_behaviour_of_syntax() -> None:
    one = json_subject("Sure, the lamp!")
    assert told(one, Answers(constrained_decoding=EXPECTED), kind="extraction") == ("behaviour", CONSTRAINED, True)
    assert one.symptom == "malformed"


def test_held_form_that_is_valid_and_not_right_counts_in_part() -> None:
    answers = Answers(constrained_decoding='{"intent":"off","slots":{}}')
    assert told(json_subject("Sure!"), answers, kind="extraction") == ("behaviour", f"{CONSTRAINED}, in part", True)


def test_of_two_partial_repairs_the_larger_one_tells() -> None:
    answers = Answers(
        constrained_decoding='{"intent":"off","slots":{}}',
        nearest_examples='{"intent":"on","slots":{"place":"hall"}}',
    )
    assert told(json_subject("Sure!"), answers, kind="extraction") == ("behaviour", f"{EXAMPLES}, in part", True)


def test_what_is_well_formed_is_not_asked_again_under_a_constraint() -> None:
    answers = Answers()
    told(json_subject('{"intent":"off","slots":{"place":"hall","thing":"lamp"}}'), answers, kind="extraction")
    assert not [row for name, row in answers.asked if name == CONSTRAINED and row.id == "q1"]


def test_an_answer_made_of_the_input_that_nothing_moves_is_for_a_finetune() -> None:
    cause, _, measured = told(json_subject('{"intent":"off","slots":{}}'), Answers(), kind="extraction")
    assert (cause, measured) == ("behaviour", False)


def test_a_prompt_that_does_not_fit_leaves_the_case_to_the_others() -> None:
    one = subject(lookup=FOUND)
    answers = Answers(gold_passage=None, nearest_examples="the Grey Sea")
    assert told(one, answers) == ("behaviour", EXAMPLES, True)
    assert GOLD not in one.trials


@pytest.mark.parametrize(
    ("lookup", "given", "cause", "by"),
    [
        (FOUND, (), "information", SEARCH),
        (MISSED, (), "retrieval miss", SEARCH),
        (Lookup((), (FAR,), None, held=True), (), "retrieval miss", SEARCH),
        (Lookup((), (FAR,), None, held=False), (), "information", "documents"),
        (FOUND, ("atlas",), "behaviour", READER),
    ],
)
def test_without_a_model_a_search_tells_what_it_can_and_that_it_is_presumed(
    lookup: Lookup, given: tuple[str, ...], cause: str, by: str
) -> None:
    verdict = decide(subject(lookup=lookup, given=given), "question-answering")
    assert (verdict.cause, verdict.decided_by, verdict.measured) == (cause, by, False)


def report_of(*subjects: Subject, **said: Any) -> FailureReport:
    run(subjects, Answers(**said), EVERY)
    return make_report("here", subjects, "question-answering", seen=10, failed=len(subjects))


def test_the_report_counts_causes_experiments_and_cures_with_intervals() -> None:
    report = report_of(
        subject(lookup=FOUND), subject("It is the Grey Sea", name="q3", lookup=FOUND), gold_passage="Grey Sea"
    )
    assert report.by_cause == {"behaviour": 1, "information": 1}
    assert report.cause_shares["information"].low is not None
    experiments = {each.name: each for each in report.experiments}
    assert (experiments[LENIENT].asked, experiments[LENIENT].repaired.value) == (2, 0.5)
    assert (experiments[GOLD].asked, experiments[GOLD].repaired.value, experiments[GOLD].gained) == (1, 1.0, 1.0)
    assert {cure.cause for cure in report.cures} == {"behaviour", "information"}
    assert all(cure.cure and cure.cite for cure in report.cures)
    measured = metrics(report)
    assert measured["repaired_by_gold_passage"].n == 1
    assert measured["information_share"].value == measured["behaviour_share"].value == 0.5
    assert measured["measured_share"].value == 1.0


def test_a_retrieval_miss_lacks_information_too() -> None:
    measured = metrics(report_of(subject(lookup=MISSED), gold_passage="Grey Sea"))
    assert measured["information_share"].value == measured["retrieval_miss_share"].value == 1.0
