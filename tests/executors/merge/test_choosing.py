"""Numbers of a merge that are chosen on validation rows: leaderboard, soup, what a kill leaves, what is refused."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from executors.contract import Job, Site
from executors.merge import MergeModels, MergeModelsParams, choosing
from executors.prompt.composing import Asked, compose
from executors.prompt.document import write_prompt
from planner.documents import InputError, Step
from tests.executors.finetunes import weights
from tests.executors.merge.merges import MARKS, values
from tests.executors.tiny import tiny_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Outcome

pytestmark = MARKS
MEASURED: dict[str, Any] = {
    "metrics": ["exact_match"],
    "schema": None,
    "labels": ["on", "off"],
    "format": "label",
    "max_new_tokens": 4,
    "batch_size": 8,
    "dtype": "fp32",
    "decoding": "labels",
    "limit": 8,
    "seed": 0,
}
GRID = {"search": "grid", "choosing": MEASURED, "candidates": [{"t": 0.5}, {"t": 0.0}, {"t": 1.0}]}
SOUP = {"search": "greedy-soup", "choosing": MEASURED}


def search_job(tmp_path: Path, given: dict[str, Any], *sources: Path) -> Job:
    out = tmp_path / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    rows = [{**row, "completion": json.loads(row["completion"])["intent"]} for row in tiny_rows(40)]
    prompt = compose(Asked("Say on or off.", "label", None, ("on", "off")), "plain")
    write_prompt(prompt, tmp_path / "prompt")
    inputs: dict[str, Path | str] = {f"source-{number}": source for number, source in enumerate(sources)}
    inputs |= {"validation": write_rows(tmp_path / "rows.jsonl", rows), "prompt": tmp_path / "prompt"}
    params = MergeModelsParams.model_validate(given)
    return Job("merge/models", params, inputs, out, tmp_path / "kept", lambda event: None, tmp_path)


def scored(monkeypatch: pytest.MonkeyPatch, family: dict[str, Path], scores: dict[str, float]) -> list[Path]:
    """Have candidates score by which finetunes are in them; the folders that were measured, in order."""
    from executors.contract import Outcome
    from executors.intervals import proportion

    asked: list[Path] = []

    class Scores:
        def perform(self, job: Job) -> Outcome:
            import torch

            folder = job.inputs["model"]
            asked.append(folder)
            name = "model.layers.0.mlp.up_proj.weight"
            base, found = weights(family["base"])[name], weights(folder)[name]
            noise = [weights(family[each])[name] - base for each in ("one", "two", "three")]
            flat = torch.stack([each.flatten() for each in noise])
            shares = torch.linalg.lstsq(flat.T, (found - base).flatten()[:, None]).solution[:, 0]
            parts = "".join(str(at) for at, share in enumerate(shares) if share > 0.05)
            return Outcome(metrics={"exact_match": proportion(round(scores[parts] * 8), 8)}, tokens=3)

    monkeypatch.setattr(choosing, "Evaluate", Scores)
    return asked


def test_a_grid_takes_the_best_candidate_and_leaves_a_leaderboard(tmp_path: Path, family: dict[str, Path]) -> None:
    import torch

    job = search_job(tmp_path, values("slerp", t=0.5, **GRID), family["one"], family["two"])
    outcome = MergeModels().perform(job)
    board = outcome.notes["leaderboard"]
    assert sorted(each["variant"] for each in board) == ["t 0", "t 0.5", "t 1"]
    values_of = {each["variant"]: each["score"]["value"] for each in board}
    assert outcome.notes["chosen"] == board[0]["variant"] == max(values_of, key=lambda name: values_of[name])
    assert {each["rows"] for each in board} == {8}
    assert all(each["score"]["low"] <= each["score"]["value"] <= each["score"]["high"] for each in board)
    assert outcome.metrics["chosen_exact_match"].value == board[0]["score"]["value"]
    plain = values("slerp", t=float(str(outcome.notes["chosen"]).removeprefix("t ")))
    again = search_job(tmp_path / "plain", plain, family["one"], family["two"])
    MergeModels().perform(again)
    made, expected = weights(job.out / "model"), weights(again.out / "model")
    assert all(torch.equal(made[name], expected[name]) for name in expected)
    assert not list(job.checkpoints.rglob("*.safetensors")), "candidates are gone"


def test_a_soup_keeps_what_makes_it_no_worse(
    tmp_path: Path, family: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"0": 0.25, "1": 0.5, "2": 0.375, "12": 0.375, "01": 0.75}
    scored(monkeypatch, family, scores)
    given = values("linear", 3, weights=[1.0, 1.0, 1.0], normalize=True, **SOUP)
    job = search_job(tmp_path, given, family["one"], family["two"], family["three"])
    outcome = MergeModels().perform(job)
    assert outcome.notes["chosen"] == "source-0 + source-1"
    assert [each["variant"] for each in outcome.notes["leaderboard"]] == [
        "source-0 + source-1", "source-0", "source-1", "source-2", "source-1 + source-2",
    ]  # fmt: skip
    assert outcome.tokens == 15
    found, one, two = (weights(each) for each in (job.out / "model", family["one"], family["two"]))
    name = "model.layers.1.mlp.up_proj.weight"
    assert float((found[name] - (one[name] + two[name]) / 2).abs().max()) < 1e-6


def test_what_was_measured_before_a_kill_is_not_measured_again(
    tmp_path: Path, family: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = scored(monkeypatch, family, {"0": 0.5, "1": 0.25, "01": 0.5})
    job = search_job(tmp_path, values("slerp", t=0.5, **GRID), family["one"], family["two"])
    write, failed = choosing.write_atomic, list[str]()

    def killed(path: Path, content: str) -> None:
        write(path, content)
        failed.append(path.name)
        if len(failed) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(choosing, "write_atomic", killed)
    with pytest.raises(KeyboardInterrupt):
        MergeModels().perform(job)
    assert (len(asked), list(job.out.iterdir())) == (2, [])
    outcome: Outcome = MergeModels().perform(search_job(tmp_path, values("slerp", t=0.5, **GRID), *_two(family)))
    assert (len(asked), outcome.notes["resumed"]) == (3, 2)
    assert outcome.notes["chosen"] == "t 0.5", "of equal scores the first"


def _two(family: dict[str, Path]) -> tuple[Path, Path]:
    return family["one"], family["two"]


def test_rows_without_answers_are_one_sentence_and_leave_nothing(tmp_path: Path, family: dict[str, Path]) -> None:
    job = search_job(tmp_path, values("slerp", t=0.5, **GRID), *_two(family))
    write_rows(tmp_path / "rows.jsonl", [{"id": "1", "prompt": "turn on the lamp"}])
    with pytest.raises(InputError, match="has no answer to compare with"):
        MergeModels().perform(job)
    assert not list(job.out.iterdir())
    assert not list(job.checkpoints.rglob("*.safetensors"))


WRONG: list[tuple[dict[str, Any], str]] = [
    (values("slerp", t=0.5, search="grid"), "a search needs choosing"),
    (values("slerp", t=0.5, search="grid", choosing=MEASURED), "a grid needs candidates"),
    (values("slerp", t=0.5, **SOUP), "greedy soup is a linear merge"),
    (values("linear", weights=[1.0, -1.0], normalize=False, **SOUP), "weights above zero"),
    (values("slerp", t=0.5, **GRID | {"candidates": [{"scale": 0.5}]}), "slerp takes no scale"),
    (values("slerp", t=0.5, **GRID | {"candidates": [{"t": 1.5}]}), "less than or equal to 1"),
    (values("slerp", t=0.5, **GRID | {"choosing": MEASURED | {"metrics": ["perplexity"]}}), "chosen by perplexity"),
    (values("linear", weights=[0.0, 0.0], normalize=False), "every weight is zero"),
]


@pytest.mark.parametrize(("given", "said"), WRONG, ids=[said for _, said in WRONG])
def test_searches_that_mean_nothing_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        MergeModelsParams.model_validate(given)


def test_a_search_names_what_it_lacks_before_anything_runs() -> None:
    inputs = {f"source-{number}": {"pin": f"model/source-{number}"} for number in range(2)}
    params = values("slerp", t=0.5, **GRID | {"choosing": MEASURED | {"metrics": ["label_accuracy"], "labels": None}})
    fields = {"address": "merge/models", "title": "Merge", "executor": "merge-models", "version": "1"}
    step = Step.model_validate(fields | {"inputs": inputs, "params": params, "outputs": ["model"]}, strict=False)
    codes = [finding.code for finding in MergeModels().check(step, Site("cpu", 0, 2, 0))]
    assert codes == ["MERGE001", "MERGE001", "EVAL003"]
