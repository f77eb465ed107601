"""`adapt init`: a spec that plans at once, nothing overwritten, every guess told."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from adapt.cli.main import cli
from tests.adapt.commands import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

VOICE = ROOT / "plans" / "voice-commands"
SHARED = Path(os.environ.get("ADAPT_SHARED", ROOT.parent / "shared")) / "data"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the rows of the worked example."""
    shutil.copy(VOICE / "train.jsonl", tmp_path / "train.jsonl")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_init_and_plan_work_in_one_go(adapt: Callable, here: Path) -> None:
    said = adapt("init", "train.jsonl", "--yes")
    assert (said.code, said.out) == (0, "")
    assert "Next: adapt plan spec.yaml" in said.err
    assert "no test data" in said.err
    text = (here / "spec.yaml").read_text(encoding="utf-8")
    assert "kind: extraction  # guess: " in text
    assert adapt("plan", "spec.yaml").code in (0, 3)
    assert (here / "plan.json").is_file()


def test_json_has_no_comments_so_the_guesses_are_told(adapt: Callable, here: Path) -> None:
    said = adapt("init", "train.jsonl", "--yes", "--format", "json")
    assert said.code == 0
    spec = json.loads((here / "spec.json").read_text(encoding="utf-8"))
    assert spec["task"]["kind"] == "extraction"
    assert "guess: /task/kind is" in said.err
    draft = json.loads(adapt("init", "train.jsonl", "--json", "--format", "json", "--force").out)
    assert draft["format"] == "adapt.draft/1"
    assert draft["spec"] == spec
    assert "/task/kind" in [guess["pointer"] for guess in draft["guesses"]]
    assert draft["written"] == ["spec.json"]


def test_flags_take_the_place_of_guesses(adapt: Callable, here: Path) -> None:
    words = ("--description", "Do it", "--kind", "semantic-parsing", "--model", "openai-community/gpt2")
    said = adapt("init", "train.jsonl", *words, "--hardware", "a10g", "--target", "json_exact=0.8", "--json")
    assert said.code == 0
    draft = json.loads(said.out)
    assert draft["spec"]["task"]["kind"] == "semantic-parsing"
    assert draft["spec"]["evaluation"]["target"] == {"json_exact": 0.8}
    guessed = {guess["pointer"] for guess in draft["guesses"]}
    assert not guessed & {"/task/description", "/task/kind", "/models", "/hardware", "/evaluation/metrics"}


def test_split_writes_three_files_that_share_no_prompt_and_plan(adapt: Callable, here: Path) -> None:
    assert adapt("init", "train.jsonl", "--yes", "--split").code == 0
    parts = [(here / f"train-{role}.jsonl").read_text(encoding="utf-8") for role in ("train", "validation", "test")]
    kept = [json.loads(line)["id"] for part in parts for line in part.splitlines()]
    whole = [json.loads(line)["id"] for line in (here / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sorted(kept) == sorted(whole)
    assert adapt("plan", "spec.yaml").code in (0, 3), "shared prompts would be refused"
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    assert adapt("init", "train.jsonl", "--yes", "--split").code == 2
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


def test_nothing_is_replaced_without_force(adapt: Callable, here: Path) -> None:
    (here / "spec.yaml").write_text("mine", encoding="utf-8")
    said = adapt("init", "train.jsonl", "--yes")
    assert said.code == 2
    assert "--force" in said.err
    assert (here / "spec.yaml").read_text(encoding="utf-8") == "mine"
    assert adapt("init", "train.jsonl", "--yes", "--force").code == 0
    assert (here / "spec.yaml").read_text(encoding="utf-8") != "mine"


def test_questions_are_asked_and_enter_takes_the_guess(here: Path) -> None:
    answers = "Command the house\n\nopenai-community/gpt2\na10g\njson_exact=0.7\n"
    result = CliRunner().invoke(cli, ["init", "train.jsonl"], input=answers)
    assert result.exit_code == 0, result.output
    text = (here / "spec.yaml").read_text(encoding="utf-8")
    assert "description: Command the house\n" in text
    assert "kind: extraction\n" in text, "an answer is no guess"
    assert "hardware: a10g\n" in text
    assert "json_exact: 0.7" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["no.jsonl", "--yes"], "does not exist"),
        (["train.jsonl", "--yes", "--target", "accuracy"], "NAME=VALUE"),
        (["train.jsonl", "--yes", "--target", "accuracy=high"], "NAME=VALUE"),
        (["train.jsonl", "--yes", "--kind", "juggling"], "juggling"),
        (["train.jsonl", "--yes", "--hardware", "h10000"], "h10000"),
        (["train.jsonl", "--yes", "--model", "no/such-model"], "no/such-model"),
        (["train.jsonl", "--yes", "--out", "no/such/folder.yaml"], "not there"),
        (["--yes", "--split"], "--split"),
        (["broken.jsonl", "--yes"], "broken.jsonl"),
        (["strange.jsonl", "--yes"], "no shape that is known"),
    ],
)
def test_bad_input_is_one_finding_and_nothing_is_written(
    adapt: Callable, here: Path, words: list[str], told: str
) -> None:
    (here / "broken.jsonl").write_text('{"prompt": "x"\n', encoding="utf-8")
    (here / "strange.jsonl").write_text('{"colour": "red", "shape": "round"}\n' * 3, encoding="utf-8")
    before = sorted(path.name for path in here.iterdir())
    said = adapt("init", *words)
    assert (said.code, said.out) == (2, "")
    assert told in " ".join(said.err.split())
    assert "Traceback" not in said.err
    assert sorted(path.name for path in here.iterdir()) == before


@pytest.mark.parametrize(
    ("file", "role", "kind", "form"),
    [
        ("snips-json/train.jsonl", "train", "extraction", "json"),
        ("prefs/train.jsonl", "preferences", "generation", "text"),
        ("rawtext-ty-docs/train.jsonl", "documents", "question-answering", "text"),
        ("rag-squad/corpus.jsonl", "documents", "question-answering", "text"),
    ],
)
def test_real_data_sets_are_drawn_up_and_planned(
    adapt: Callable, here: Path, file: str, role: str, kind: str, form: str
) -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared data sets are not beside the repository; set ADAPT_SHARED to their folder")
    said = adapt("init", SHARED / file, "--json", "--hardware", "a10g")
    assert said.code == 0
    spec = json.loads(said.out)["spec"]
    assert role in spec["data"]
    assert (spec["task"]["kind"], spec["task"]["output"]["format"]) == (kind, form)
    assert adapt("plan", "spec.yaml").code == 0
