"""`adapt plan`: the plan on standard output or in a file, and nothing half done."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from planner.documents import Plan, validate
from tests.adapt.commands import COMMAND, ROOT, process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VOICE = ROOT / "plans" / "voice-commands" / "spec.json"


def test_the_plan_goes_beside_the_spec_and_the_answer_comes_first(adapt: Callable, write: Callable) -> None:
    path = write()
    said = adapt("plan", path)
    assert said.code == 0
    assert said.out.startswith("tickets: prompt, because")
    assert "train/sft" in said.out
    assert "Budget if every rung runs" in said.out
    assert f"Next: adapt explain {path.parent / 'plan.json'}" in " ".join(said.err.split())
    validate(Plan, json.loads((path.parent / "plan.json").read_text(encoding="utf-8")), code="PLAN")


def test_json_is_one_document_on_standard_output_and_no_file(adapt: Callable, write: Callable) -> None:
    path = write()
    said = adapt("plan", path, "--json")
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out)["format"] == "adapt.plan/1"
    assert [each.name for each in path.parent.iterdir()] == ["spec.json"]


def test_planning_twice_gives_the_same_bytes() -> None:
    one, two = (process("plan", VOICE, "--json") for _ in range(2))
    assert (one.code, one.err) == (0, "")
    first, second = json.loads(one.out), json.loads(two.out)
    if first["hardware"]["disk_bytes"] == second["hardware"]["disk_bytes"]:
        assert one.out == two.out


def test_out_names_the_file(adapt: Callable, write: Callable, tmp_path: Path) -> None:
    target = tmp_path / "first.json"
    assert adapt("plan", write(), "--out", target, "--json").code == 0
    assert json.loads(target.read_text(encoding="utf-8"))["name"] == "tickets"
    assert adapt("plan", write(), "--out", target).code == 0, "a plan may be written anew"


def test_set_changes_fields_of_any_depth(adapt: Callable, write: Callable) -> None:
    changes = (
        "constraints.max_hours=2",
        "task.tenants=9",
        'task.description="a = b"',
        "evaluation.target={accuracy: 0.5}",
    )
    said = adapt("plan", write(), "--json", *(word for change in changes for word in ("--set", change)))
    assert said.code == 0
    spec = json.loads(said.out)["spec"]
    assert spec["constraints"]["max_hours"] == 2
    assert spec["task"]["tenants"] == 9
    assert spec["task"]["description"] == "a = b"
    assert spec["evaluation"]["target"] == {"accuracy": 0.5}


def test_hardware_takes_the_place_of_the_specs(adapt: Callable, write: Callable) -> None:
    said = adapt("plan", write(), "--hardware", "8xh100", "--json")
    device = json.loads(said.out)["hardware"]["devices"][0]
    assert "H100" in device["name"]
    assert device["count"] == 8


def test_a_plan_in_another_folder_still_finds_what_it_reads(adapt: Callable, tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    target = tmp_path / "plans" / "first.json"
    assert adapt("plan", VOICE, "--out", target).code == 0
    assert adapt("explain", target).code == 0, "its digest is that of its content"
    pins = json.loads(target.read_text(encoding="utf-8"))["pins"]
    for name in ("train", "validation", "test"):
        assert (target.parent / pins[f"data/{name}"]["path"]).resolve() == VOICE.parent / f"{name}.jsonl"
    assert pins["model/base"]["path"].startswith("package:")


def test_set_and_hardware_leave_the_specs_files_where_they_are() -> None:
    said = process("plan", VOICE, "--hardware", "a10g", "--json")
    assert said.code == 0, said.err
    pins = json.loads(said.out)["pins"]
    assert pins["data/train"]["path"] == "train.jsonl"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("constraints.max_hours", "not of the form"),
        (".a=1", "not of the form"),
        ("name.first=1", "no object"),
        ("models.0.id=x", "no object"),
        ("constraints.max_hours=[1", "cannot be read"),
        ("constraints.max_hours=two", "/constraints/max_hours"),
        ("constraints.max_hour=2", "Did you mean `max_hours`?"),
    ],
)
def test_a_change_that_cannot_be_made_is_one_sentence(
    adapt: Callable, write: Callable, change: str, words: str
) -> None:
    said = adapt("plan", write(), "--set", change)
    assert (said.code, said.out) == (2, "")
    assert words in " ".join(said.err.split())


@pytest.mark.parametrize("name", ["h10000", 'a"b', "", "[x"])
def test_hardware_that_nobody_knows_is_one_sentence(adapt: Callable, write: Callable, name: str) -> None:
    said = adapt("plan", write(), "--hardware", name)
    assert (said.code, said.out) == (2, "")
    assert "fault of its own" not in said.err


def test_a_plan_that_cannot_be_run_is_written_and_says_what_would_help(adapt: Callable, write: Callable) -> None:
    hardware = {"devices": [{"name": "RTX 3070", "memory_gb": 8}]}
    path = write(models=[{"id": "meta-llama/Llama-3.1-70B-Instruct"}], hardware=hardware)
    said = adapt("plan", path)
    assert said.code == 3
    text = " ".join(said.out.split())
    assert "This plan cannot be run: the smallest candidate, meta-llama/Llama-3.1-70B-Instruct, does not fit" in text
    assert "needed: a device with" in text
    assert "or a smaller model" in text
    assert (path.parent / "plan.json").is_file()
    assert adapt("plan", path, "--json").code == 3


def test_a_folder_whose_name_reads_like_markup_is_shown_as_it_is(adapt: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "a [bold]b c"
    folder.mkdir()
    (folder / "spec.json").write_text(VOICE.read_text(encoding="utf-8").replace('"package', '"package'))
    for name in ("schema.json", "train.jsonl", "validation.jsonl", "test.jsonl"):
        (folder / name).write_bytes((VOICE.parent / name).read_bytes())
    said = adapt("plan", folder / "spec.json")
    assert said.code == 0
    assert f"Written to {folder / 'plan.json'}. Next: adapt explain '{folder / 'plan.json'}'" in said.err


def test_a_reader_that_goes_away_is_no_fault() -> None:
    words = [*COMMAND, "plan", str(VOICE), "--json"]
    run = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.read(1)
    run.stdout.close()
    said = run.stderr.read().decode()
    run.stderr.close()
    assert said == ""
    assert run.wait(30) in (0, 141)


def test_ctrl_c_leaves_with_130_and_nothing_written(tmp_path: Path) -> None:
    fifo = tmp_path / "spec.json"
    import os

    os.mkfifo(fifo)
    run = subprocess.Popen(
        [*COMMAND, "plan", str(fifo)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    # Opening for writing waits until the command has opened the file and reads it.
    descriptor = os.open(fifo, os.O_WRONLY)
    time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    os.close(descriptor)
    assert (run.returncode, out) == (130, "")
    assert "Interrupted" in err
    assert "Traceback" not in err
    assert [each.name for each in tmp_path.iterdir()] == ["spec.json"]
