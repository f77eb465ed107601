from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job, Site
from executors.evaluate.backends import Answer
from executors.prompt.document import read_prompt
from executors.search import PromptSearch, PromptSearchParams, trials
from executors.search.leaderboard import Leaderboard
from planner.documents import Input, InputError, Step
from tests.executors.tiny import TINY_SCHEMA, tiny_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from executors.evaluate.backends import Question
    from planner.documents import Event

SITE = Site(device="cpu", device_memory_bytes=8 * 10**9, cores=2, disk_free_bytes=10**9)


def params(**changed: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "instruction": "Turn the request into a command.",
        "schema": TINY_SCHEMA,
        "labels": None,
        "format": "json",
        "templates": ["plain", "repeated"],
        "counts": [0, 2],
        "choices": ["balanced", "similar"],
        "passages": [],
        "fit": False,
        "metric": "slot_f1",
        "rows": 8,
        "least_rows": 4,
        "halving": 2,
        "max_new_tokens": 6,
        "batch_size": 2,
        "dtype": "fp32",
        "quantization": "none",
        "decoding": "free",
        "endpoint": None,
        "samples": 1,
        "temperature": 0.7,
        "seed": 0,
    }
    return given | changed


def search(folder: Path, model: Path, *, validation: bool = True, **changed: Any) -> Job:
    out = folder / "out"
    out.mkdir(exist_ok=True, parents=True)
    inputs: dict[str, Path | str] = {"model": model, "train": write_rows(folder / "train.jsonl", tiny_rows(24))}
    if validation:
        inputs["validation"] = write_rows(folder / "validation.jsonl", tiny_rows(12, start=24))
    settings = PromptSearchParams.model_validate(params(**changed))
    return Job("prompt/few-shot", settings, inputs, out, folder / "checkpoints", lambda event: None, folder / "cache")


def leaderboard(work: Job) -> Leaderboard:
    return Leaderboard.model_validate_json((work.out / "leaderboard").read_text(encoding="utf-8"))


class Knowing:
    """Answers rightly when an example shows the thing that is asked about; counts how often it is asked."""

    def __init__(self) -> None:
        self.notes: dict[str, Any] = {}
        self.asked: list[str] = []

    def answers(self, questions: Sequence[Question], done: Any = ()) -> Iterator[dict[int, Answer]]:
        for index, question in enumerate(questions):
            if index not in done:
                self.asked.append(question.id)
                yield {
                    index: Answer(self._answer(question), 9, sum(len(turn["content"]) for turn in question.turns), 0.5)
                }

    def _answer(self, question: Question) -> str:
        thing, place = question.turns[-1]["content"].split("\n")[0].split("the ")[1:]
        shown = " ".join(turn["content"] for turn in question.turns[1:-1])
        slots = {"place": place, "thing": thing.split()[0]} if thing.split()[0] in shown else {}
        return json.dumps({"intent": "on", "slots": slots})


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> Knowing:
    backend = Knowing()
    monkeypatch.setattr(trials, "backend_of", lambda *given: backend)
    return backend


def test_the_prompt_that_scores_best_is_chosen_and_shown_with_its_rivals(tmp_path: Path, knowing: Knowing) -> None:
    work = search(tmp_path, tmp_path)
    outcome = PromptSearch().perform(work)
    found = leaderboard(work)
    prompt = read_prompt(work.out / "prompt")
    assert found.chosen == prompt.id == found.entries[0].prompt == outcome.notes["prompt_id"]
    assert (found.entries[0].choice, found.entries[0].left_in_round) == ("similar", None)
    assert prompt.nearest == 2
    assert prompt.template == found.entries[0].template
    by_name = {entry.variant: entry for entry in found.entries}
    assert len(by_name) == 4, "three ways of showing examples, then one more template"
    bare = by_name["plain, no examples"]
    assert bare.rows < found.entries[0].rows == 8, "a bad prompt costs little"
    assert bare.score is not None
    assert bare.score.value < outcome.metrics["chosen_slot_f1"].value
    assert (bare.left_in_round, bare.answer_s, bare.stage) == (1, 0.5, "examples")
    assert found.chosen_on == "validation"


def test_no_row_of_a_prompt_is_answered_twice(tmp_path: Path, knowing: Knowing) -> None:
    PromptSearch().perform(search(tmp_path, tmp_path))
    assert len(knowing.asked) == len(set(knowing.asked))
    again = PromptSearch().perform(search(tmp_path, tmp_path))
    assert len(knowing.asked) == len(set(knowing.asked)), "a second attempt takes what the first one left"
    assert again.notes["resumed"] == again.notes["answers"] == len(knowing.asked)


def test_without_validation_rows_a_part_of_the_training_rows_is_held_out(tmp_path: Path, knowing: Knowing) -> None:
    work = search(tmp_path, tmp_path, validation=False, choices=["similar"], templates=["plain"])
    outcome = PromptSearch().perform(work)
    assert outcome.notes["chosen_on"] == "train"
    shown = {example.id for example in read_prompt(work.out / "prompt").examples}
    scored = {key.rpartition("/")[2] for key in knowing.asked}
    assert scored
    assert not shown & scored


def test_examples_never_ask_what_is_scored_on(tmp_path: Path, knowing: Knowing) -> None:
    work = search(tmp_path, tmp_path, choices=["similar"], templates=["plain"])
    write_rows(tmp_path / "validation.jsonl", [row | {"id": f"v-{row['id']}"} for row in tiny_rows(12)])
    PromptSearch().perform(work)
    scored = {key.rpartition("/")[2].removeprefix("v-") for key in knowing.asked}
    assert not {example.id for example in read_prompt(work.out / "prompt").examples} & scored


@pytest.mark.usefixtures("knowing")
def test_more_examples_than_rows_are_left_out_with_the_reason(tmp_path: Path) -> None:
    work = search(tmp_path, tmp_path, counts=[0, 50], choices=["balanced"], templates=["plain"])
    PromptSearch().perform(work)
    last = leaderboard(work).entries[-1]
    assert (last.variant, last.rows, last.score) == ("plain, 50 balanced", 0, None)
    assert last.because == "only 24 different rows have an answer to show"


@pytest.mark.slow
def test_a_real_search_killed_anywhere_chooses_the_same(tmp_path: Path, tiny_model: Path) -> None:
    whole = search(tmp_path / "whole", tiny_model)
    PromptSearch().perform(whole)
    expected = leaderboard(whole)

    class Killed(BaseException):
        pass

    left = 0

    def kill(event: Event) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    work = search(tmp_path / "killed", tiny_model)
    made = work.checkpoints / "answers.jsonl"
    kept, kills = b"", 0
    while True:
        left = 1
        try:
            PromptSearch().perform(
                Job(work.address, work.params, work.inputs, work.out, work.checkpoints, kill, work.cache)
            )
            break
        except Killed:
            kills += 1
            assert made.read_bytes().startswith(kept)
            kept = made.read_bytes()
    assert kills > 2
    ids = [json.loads(line)["id"] for line in made.read_text(encoding="utf-8").splitlines()]
    assert len(ids) == len(set(ids))
    found = leaderboard(work)
    assert found.chosen == expected.chosen
    assert [(one.variant, one.rows, one.score, one.left_in_round) for one in found.entries] == [
        (one.variant, one.rows, one.score, one.left_in_round) for one in expected.entries
    ]
    assert (work.out / "prompt").read_bytes() == (whole.out / "prompt").read_bytes()


@pytest.mark.slow
def test_a_prompt_beyond_the_context_window_is_left_out_or_made_to_fit(tmp_path: Path, tiny_model: Path) -> None:
    changed: dict[str, Any] = {"counts": [0, 20], "choices": ["balanced"], "templates": ["plain"]}
    work = search(tmp_path / "refused", tiny_model, **changed)
    PromptSearch().perform(work)
    last = leaderboard(work).entries[-1]
    assert last.score is None
    assert "the model reads 512 in all" in last.because
    fitting = search(tmp_path / "fit", tiny_model, **changed, fit=True)
    PromptSearch().perform(fitting)
    assert all(entry.score for entry in leaderboard(fitting).entries)
    with pytest.raises(InputError, match="No prompt can be tried"):
        PromptSearch().perform(search(tmp_path / "none", tiny_model, **(changed | {"counts": [20]})))


@pytest.mark.slow
def test_prompts_can_be_chosen_by_the_vote_of_several_answers(tmp_path: Path, tiny_model: Path) -> None:
    work = search(tmp_path, tiny_model, samples=3, counts=[0], templates=["plain"], rows=4)
    outcome = PromptSearch().perform(work)
    assert outcome.notes["answers"] == 12
    assert leaderboard(work).entries[0].rows == 4


def test_a_step_without_what_it_needs_is_refused() -> None:
    step = Step(address="prompt/few-shot", title="t", executor="prompt-search", version="1")
    bad = step.model_copy(update={"params": params(metric="perplexity", passages=[3])})
    assert [finding.code for finding in PromptSearch().check(bad, SITE)] == [
        "EVAL002",
        "EVAL002",
        "PROMPT010",
        "PROMPT011",
    ]
    inputs = {"model": Input(pin="model/base"), "train": Input(pin="data/train")}
    good = step.model_copy(update={"params": params(), "inputs": inputs})
    assert not PromptSearch().check(good, SITE)


@pytest.mark.usefixtures("knowing")
def test_too_few_rows_to_choose_on_are_told(tmp_path: Path) -> None:
    work = search(tmp_path, tmp_path)
    write_rows(tmp_path / "validation.jsonl", tiny_rows(1, start=30))
    with pytest.raises(InputError, match="1 rows with an answer to choose on"):
        PromptSearch().perform(work)
