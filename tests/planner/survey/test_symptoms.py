"""The words in which people tell failures are understood, each as one symptom."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.survey.symptoms import SYMPTOM_TABLE, SYMPTOMS, all_spellings, symptom_of


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("information", "information"),
        ("behavior", "behaviour"),
        ("Malformed", "malformed"),
        ("invalid_json", "malformed"),
        ("invalid-sql", "malformed"),
        ("parse errors", "malformed"),
        ("refusals", "refusal"),
        ("hallucinations", "hallucination"),
        ("wrong_facts", "wrong facts"),
        ("out-of-date", "outdated"),
        ("off topic", "irrelevant"),
        ("biases", "bias"),
        ("safety issues", "safety"),
        ("retrieval_miss", "retrieval miss"),
        ("too slow", "latency"),
        ("truncated input", "input too long"),
        ("wrong answers", "wrong content"),
        ("SQL dialect", "dialect"),
    ],
)
def test_a_symptom_is_known_by_its_other_spellings(word: str, name: str) -> None:
    symptom = symptom_of(word)
    assert symptom is not None
    assert symptom.name == name


@pytest.mark.parametrize("word", ["purple", "", "   ", "json purple"])
def test_a_word_that_names_no_symptom_is_none(word: str) -> None:
    assert symptom_of(word) is None


def test_no_spelling_means_two_symptoms() -> None:
    counts = Counter(word for symptom in SYMPTOM_TABLE for word in (symptom.name, *symptom.others))
    assert counts.most_common(1)[0][1] == 1
    assert len(SYMPTOMS) == len(SYMPTOM_TABLE)


def test_every_spelling_is_plain_and_leads_back_to_its_symptom() -> None:
    for symptom in SYMPTOM_TABLE:
        for word in (symptom.name, *symptom.others):
            assert symptom_of(word) is symptom, word


@given(st.sampled_from(all_spellings()), st.sampled_from([str.upper, str.title, str.lower]), st.sampled_from(" _-"))
def test_case_and_separators_do_not_matter(word: str, case: object, separator: str) -> None:
    assert symptom_of(case(word).replace(" ", separator)) is symptom_of(word)  # type: ignore[operator]


def test_only_what_tells_nothing_has_no_cause() -> None:
    assert {symptom.name for symptom in SYMPTOM_TABLE if not symptom.causes} == {"wrong content", "unknown"}
    assert set(SYMPTOMS["hallucination"].causes) == {"information", "behaviour"}
