"""The planner's answers on worked cases: those that all planners here must pass, and those of this repository."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx
import pytest

from planner.documents import InputError
from planner.planning import plan

if TYPE_CHECKING:
    from planner.documents import Finding, Plan

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("ADAPT_SHARED", ROOT.parent / "shared")) / "scenarios.jsonl"
OWN = Path(__file__).parent / "scenarios.jsonl"
# What a scenario can say; `expect` and `avoid` list alternatives, and an alternative in `warn` may itself be a list of
# words of which one must appear. `includes` is for decisions with several answers, `within` for numbers.
CHECKS = ("expect", "includes", "within", "avoid", "warn", "no_warn", "first_steps", "steps", "no_steps", "refused")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def cases() -> list[Any]:
    found = [pytest.param(case, id=case["id"]) for case in read(OWN)]
    if not SHARED.is_file():
        reason = "the shared scenarios are not beside the repository; set ADAPT_SHARED to their folder"
        return [*found, pytest.param({}, id="shared", marks=pytest.mark.skip(reason=reason))]
    return [*found, *(pytest.param(case, id=f"shared-{case['id']}") for case in read(SHARED))]


@pytest.mark.parametrize("case", cases())
def test_a_scenario_is_answered_as_the_domain_says(case: dict[str, Any]) -> None:
    assert not list(faults(case))


def faults(case: dict[str, Any]) -> list[str]:
    """Everything in which the plan of a scenario differs from what the scenario expects."""
    try:
        document = plan(case["spec"])
    except InputError as error:
        text = said(error.findings)
        if "refused" in case:
            return missing_words(case["refused"], text)
        return missing_words(case["warn"], text) if case.get("may_refuse") else [f"refused: {text}"]
    if "refused" in case:
        return ["a plan was made of what had to be refused"]
    found = [*wrong_answers(case, document), *wrong_steps(case, document)]
    found += missing_words(case.get("warn", ()), said(document.warnings))
    found += [f"a warning says {word}" for word in case.get("no_warn", ()) if word in said(document.warnings)]
    wanted = case.get("applyable", True)
    if wanted is not None and document.status.applyable != wanted:
        found.append(f"status: {document.status}")
    return found


def wrong_answers(case: dict[str, Any], document: Plan) -> list[str]:
    found = []
    for question, words in case.get("expect", {}).items():
        answers = answered(document, question)
        if not set(answers) & set(listed(words)):
            found.append(f"{question}: {answers} for {words}, because {because(document, question)}")
    for question, words in case.get("avoid", {}).items():
        bad = set(answered(document, question)) & set(listed(words))
        found += [f"{question}: {word} had to be avoided, because {because(document, question)}" for word in bad]
    for question, words in case.get("includes", {}).items():
        lacking = sorted(set(words) - set(answered(document, question)))
        found += [f"{question}: {answered(document, question)} lacks {word}" for word in lacking]
    for question, (low, high) in case.get("within", {}).items():
        value = answered(document, question)[0]
        if not isinstance(value, int | float) or not low <= value <= high:
            found.append(f"{question}: {value} is outside {low}..{high}, because {because(document, question)}")
    return found


def wrong_steps(case: dict[str, Any], document: Plan) -> list[str]:
    kinds = [step.address.partition("/")[0] for step in document.steps]
    found = [f"no step of {kind} in {kinds}" for kind in case.get("steps", ()) if kind not in kinds]
    found += [f"a step of {kind} in {kinds}" for kind in case.get("no_steps", ()) if kind in kinds]
    for order in case.get("first_steps", ()):
        first, _, second = order.partition(" before ")
        if not comes_first(document, first, second):
            found.append(f"{order}: {[step.address for step in document.steps]}")
    return found


def listed(answers: Any) -> list[Any]:
    return answers if isinstance(answers, list) else [answers]


def answered(document: Plan, question: str) -> list[Any]:
    """The answers to a question: most have one."""
    decision = document.decision(question)
    assert decision is not None, f"nothing decides {question}"
    return list(decision.answer) if isinstance(decision.answer, list | tuple) else [decision.answer]


def because(document: Plan, question: str) -> str:
    decision = document.decision(question)
    return decision.because if decision else ""


def said(findings: tuple[Finding, ...]) -> str:
    return " ".join(f"{finding.code} {finding.message} {finding.fix}" for finding in findings).lower()


def missing_words(words: list[Any], text: str) -> list[str]:
    return [f"nothing says {word}: {text}" for word in words if not any(each in text for each in listed(word))]


def comes_first(document: Plan, first: str, second: str) -> bool:
    """Whether every step of one kind, or one address, stands before, and leads to, every step of another."""
    order = [step.address for step in document.steps]
    early = [address for address in order if address == first or address.startswith(f"{first}/")]
    late = [address for address in order if address == second or address.startswith(f"{second}/")]
    graph = networkx.DiGraph([(need, step.address) for step in document.steps for need in step.needs])
    return bool(early and late) and all(
        order.index(one) < order.index(two) and networkx.has_path(graph, one, two) for one in early for two in late
    )


def test_every_scenario_of_this_repository_names_its_source_and_checks_something() -> None:
    own = read(OWN)
    assert all(case["source"] and case["why"] for case in own)
    assert all(any(case.get(check) for check in (*CHECKS, "applyable")) or "applyable" in case for case in own)
    assert len({case["id"] for case in own}) == len(own) >= 100


def test_no_two_scenarios_have_one_spec() -> None:
    specs = [json.dumps({**case["spec"], "name": ""}, sort_keys=True) for case in read(OWN)]
    assert len(set(specs)) == len(specs)


def test_the_scenarios_cover_the_vocabulary_of_the_spec() -> None:
    specs = [case["spec"] for case in (*read(OWN), *(read(SHARED) if SHARED.is_file() else []))]
    kinds = {spec["task"].get("kind") for spec in specs}
    assert len(kinds - {None}) == 10, kinds
    formats = {spec["task"].get("output", {}).get("format", "text") for spec in specs}
    assert len(formats) == 8, formats
    assert {spec["merge"]["intent"] for spec in specs if "merge" in spec} == {
        "combine",
        "remove",
        "average",
        "upscale",
        "experts",
    }
    constrained = {name for spec in specs for name in spec.get("constraints", {})}
    assert len(constrained) == 9, constrained
