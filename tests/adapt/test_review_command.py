"""`adapt review`: what it prints, what it writes, and the code that it leaves with."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import jsonschema
import pytest

from planner.documents.schema import json_schema
from tests.adapt.commands import ROOT, process

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS = ROOT / "tests" / "review_corpus"
FAULTY = CORPUS / "faulty" / "axolotl--helpdesk-qlora.yml"
CLEAN = CORPUS / "clean" / "axolotl--helpdesk-qlora.yml"


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with warnings, in the working folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(FAULTY, tmp_path / "train.yml")
    return Path("train.yml")


def here() -> list[str]:
    """What the working folder holds."""
    return sorted(path.name for path in Path().iterdir())


def warned(text: str) -> list[dict[str, Any]]:
    """The warnings and errors of a review that was printed as JSON."""
    return [finding for finding in json.loads(text)["findings"] if finding["severity"] != "note"]


def test_a_finding_is_told_with_place_reason_cure_and_source(adapt: Callable, faulty: Path) -> None:
    said = adapt("review", faulty, "--hardware", "a10g")
    words = " ".join(said.out.split())
    for part in ("train.yml: Axolotl (by adapter, base_model", "memory ", "on NVIDIA A10G", "train_on_inputs"):
        assert part in words
    assert all(f"{word}: " in words for word in ("why", "fix", "source"))
    assert said.out.splitlines()[-1].startswith("1 file: 2 warnings")


@pytest.mark.parametrize(
    ("options", "code"),
    [((), 0), (("--fail-on", "warning"), 3), (("--fail-on", "note"), 3), (("--fail-on", "never"), 0)],
)
def test_the_exit_code_is_three_at_the_severity_that_was_asked_for(
    options: tuple[str, ...], code: int, adapt: Callable, faulty: Path
) -> None:
    assert adapt("review", faulty, *options).code == code


def test_a_clean_file_leaves_with_zero(adapt: Callable) -> None:
    said = adapt("review", CLEAN, "--hardware", "a10g", "--fail-on", "warning")
    assert said.code == 0, said.out


def test_a_file_that_cannot_be_read_is_one_finding_and_the_others_are_reviewed(adapt: Callable, faulty: Path) -> None:
    Path("broken.yaml").write_text("a: [1\n", encoding="utf-8")
    said = adapt("review", "broken.yaml", faulty, "missing.yml", "--json")
    document = json.loads(said.out)
    assert said.code == 2
    assert [file["file"] for file in document["files"]] == ["train.yml"]
    lost = [finding for finding in document["findings"] if finding["where"]["file"] != "train.yml"]
    assert [finding["where"]["file"] for finding in lost] == ["broken.yaml", "missing.yml"]
    assert {finding["severity"] for finding in lost} == {"error"}
    assert [each["code"] for each in warned(said.out) if each["where"]["file"] == "train.yml"] == ["RDA106"]


@pytest.mark.parametrize("form", ["terminal", "markdown", "json", "sarif", "junit"])
def test_every_format_goes_to_standard_output_and_to_a_file(form: str, adapt: Callable, faulty: Path) -> None:
    printed = adapt("review", faulty, "--format", form)
    assert (printed.code, printed.err) == (0, "")
    written = adapt("review", faulty, "--format", form, "--out", "result")
    assert (written.code, written.out) == (0, "")
    assert "Written to result." in written.err
    text = Path("result").read_text(encoding="utf-8")
    if form == "terminal":
        assert text.split() == printed.out.split()
    else:
        assert text == printed.out
    if form == "json":
        assert json.loads(text)["format"] == "adapt.findings/1"
    if form == "sarif":
        assert json.loads(text)["runs"][0]["results"]
    if form == "junit":
        assert ElementTree.fromstring(text.encode()).get("failures") == "0"  # noqa: S314 - made here


def test_the_json_is_valid_by_the_published_schema(adapt: Callable) -> None:
    said = adapt("review", CORPUS, "--json", "--hardware", "a10g")
    document = json.loads(said.out)
    assert len(document["files"]) > 50
    jsonschema.validate(document, json_schema("findings"))


def test_the_same_review_prints_the_same_bytes(faulty: Path, tmp_path: Path) -> None:
    one, two = (process("review", faulty, "--format", "sarif", folder=tmp_path) for _ in range(2))
    assert one == two
    assert one.code == 0


def test_lesser_findings_can_be_left_out_and_the_exit_code_stays(adapt: Callable, faulty: Path) -> None:
    said = adapt("review", faulty, "--min-severity", "error", "--fail-on", "warning")
    assert said.code == 3
    assert "warning R" not in said.out


def test_rows_or_a_file_can_be_given_as_data_with_or_without_a_role(adapt: Callable, faulty: Path) -> None:
    few = adapt("review", faulty, "--data", "40", "--json")
    rows = [{"prompt": f"question {number}", "completion": f"answer {number}"} for number in range(40)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    same = adapt("review", faulty, "--data", "train=rows.jsonl", "--json")
    assert (few.code, same.code) == (0, 0), few.err + same.err
    assert {each["code"] for each in warned(few.out)} == {each["code"] for each in warned(same.out)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--hardware", "a10gg"), "a10g"),
        (("--data", "rows.jsonl"), "rows.jsonl"),
        (("--rules", "none.toml"), "none.toml"),
        (("--baseline", "none.json"), "none.json"),
        (("--out", "train.yml"), "one of the files to review"),
        (("--out", "nowhere/x.sarif"), "nowhere"),
        (("--write-baseline", "."), "is a folder"),
        (("--out", os.devnull), "a device or a pipe"),
    ],
)
def test_an_option_that_cannot_be_used_is_exit_code_2_and_nothing_is_written(
    options: tuple[str, ...], words: str, adapt: Callable, faulty: Path
) -> None:
    said = adapt("review", faulty, *options)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert "Traceback" not in said.err
    assert here() == ["train.yml"]


def test_a_comment_sets_a_finding_aside_with_its_reason(adapt: Callable, faulty: Path) -> None:
    (before,) = [each for each in warned(adapt("review", faulty, "--json").out) if "train_on_inputs" in str(each)]
    lines = faulty.read_text(encoding="utf-8").splitlines()
    lines[before["where"]["line"] - 1] += f"  # adapt: ignore[{before['code']}] the prompts are ours"
    faulty.write_text("\n".join(lines) + "\n", encoding="utf-8")
    document = json.loads(adapt("review", faulty, "--json").out)
    assert before["code"] not in {each["code"] for each in document["findings"]}
    assert [(item["by"], item["reason"]) for item in document["suppressed"]] == [("inline", "the prompts are ours")]


def test_a_comment_with_an_unknown_id_is_a_note(adapt: Callable, faulty: Path) -> None:
    text = faulty.read_text(encoding="utf-8")
    faulty.write_text(f"# adapt: ignore[REV999] we know\n{text}", encoding="utf-8")
    codes = [finding["code"] for finding in json.loads(adapt("review", faulty, "--json").out)["findings"]]
    assert "SUP002" in codes


def test_a_baseline_knows_what_is_there_and_new_findings_count(adapt: Callable, faulty: Path) -> None:
    written = adapt("review", faulty, "--write-baseline", "known.json", "--fail-on", "warning")
    assert written.code == 0
    assert "known findings to known.json" in written.err
    faulty.write_text("# moved\n\n" + faulty.read_text(encoding="utf-8"), encoding="utf-8")
    again = adapt("review", faulty, "--baseline", "known.json", "--fail-on", "note")
    assert again.code == 0, again.out
    assert "by baseline" in again.out
    text = faulty.read_text(encoding="utf-8").replace("learning_rate: 0.0002", "learning_rate: 0.02")
    faulty.write_text(text, encoding="utf-8")
    assert adapt("review", faulty, "--baseline", "known.json", "--fail-on", "warning").code == 3


def test_a_folder_is_reviewed_with_all_it_holds_and_other_files_are_passed_over(adapt: Callable, faulty: Path) -> None:
    Path("configs/deep").mkdir(parents=True)
    shutil.copy(faulty, "configs/deep/train.yml")
    Path("configs/compose.yaml").write_text("services:\n  web: {image: nginx}\n", encoding="utf-8")
    Path("configs/notes.txt").write_text("not a configuration", encoding="utf-8")
    Path("configs/rows.json").write_text('[{"prompt": "a", "completion": "b"}]', encoding="utf-8")
    said = adapt("review", "configs", "--json")
    assert said.code == 0, said.err
    assert [file["file"] for file in json.loads(said.out)["files"]] == [str(Path("configs/deep/train.yml"))]
    assert "Passed over 2 that are no configuration: configs/compose.yaml, configs/rows.json" in said.err
    named = adapt("review", "configs/compose.yaml", "--json")
    assert named.code == 2
    assert adapt("review", "configs/compose.yaml", "--skip-unknown").code == 0


def test_a_folder_without_a_configuration_is_told(adapt: Callable, faulty: Path) -> None:
    Path("empty").mkdir()
    Path("other").mkdir()
    Path("other/compose.yaml").write_text("services:\n  web: {image: nginx}\n", encoding="utf-8")
    for folder in ("empty", "other"):
        said = adapt("review", folder)
        assert (said.code, said.out) == (2, "")
        assert f"No configuration of a known tool lies in {folder}." in said.err
    assert adapt("review", "other", "--skip-unknown").code == 0


def test_a_full_disk_leaves_nothing_behind(adapt: Callable, faulty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("result").write_text("the old result", encoding="utf-8")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("executors.files.os.fsync", full)
    said = adapt("review", faulty, "--format", "sarif", "--out", "result")
    assert said.code == 1
    assert "The disk is full" in said.err
    assert Path("result").read_text(encoding="utf-8") == "the old result"
    assert here() == ["result", "train.yml"]


def test_a_spec_that_would_be_refused_is_reviewed_with_all_that_is_wrong(adapt: Callable) -> None:
    said = adapt("review", CORPUS / "faulty" / "spec--agencies.yaml", "--json")
    assert said.code == 3
    assert len(json.loads(said.out)["files"]) == 1
    assert {"PIN001", "WRN147"} <= {finding["code"] for finding in warned(said.out)}
    leaky = adapt("review", CORPUS / "faulty" / "spec--legal-summaries.json", "--json")
    assert {"DATA030", "WRN112"} <= {finding["code"] for finding in warned(leaky.out)}


HOSTILE: dict[str, tuple[str, bytes]] = {
    "ten megabytes": ("big.yaml", b"base_model: a/b\n" + b"# filler\n" * 1_200_000),
    "exploding anchors": (
        "bomb.yaml",
        b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)),
    ),
    "deep brackets": ("deep.yaml", b"a: " + b"[" * 5000),
    "python objects": ("object.yaml", b"a: !!python/object/apply:os.system [echo]\n"),
    "not text": ("image.yaml", bytes(range(256)) * 16),
    "empty": ("empty.yaml", b""),
    "a list": ("list.json", b"[1, 2]"),
    "of no tool": ("compose.yaml", b"services:\n  web: {image: nginx}\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_clear_finding(name: str, adapt: Callable, faulty: Path) -> None:
    file, content = HOSTILE[name]
    Path(file).write_bytes(content)
    begun = time.monotonic()
    said = adapt("review", file, faulty, "--json")
    assert time.monotonic() - begun < 10
    assert said.code == 2
    (finding,) = [each for each in json.loads(said.out)["findings"] if each["where"]["file"] == file]
    assert finding["severity"] == "error"
    assert finding["message"].endswith(".")
    assert [each["code"] for each in warned(said.out)][1:] == ["RDA106"]
    assert "Traceback" not in said.err


def test_a_reader_that_goes_away_is_no_fault(faulty: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from adapt.cli import main; main()", "review", "train.yml", "--format", "sarif"]
    script = f"{shlex.join(command)} | head -c 20"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = ["bash", "-c", script]
    run = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert len(run.stdout) == 20
    assert run.stderr == ""


def test_an_interrupt_leaves_with_130_and_no_half_file(
    adapt: Callable, faulty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    said = adapt("review", faulty, "--format", "sarif", "--out", "result")
    assert (said.code, said.out) == (130, "")
    assert said.err.strip().startswith("Interrupted")
    assert here() == ["train.yml"]
