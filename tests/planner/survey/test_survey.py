"""The whole survey: every part together, all findings at once, light to import, the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from planner.survey import read_spec, survey, survey_failures
from tests.planner.survey.conftest import BASE, pair, problems_of, spec_of, write_rows

if TYPE_CHECKING:
    from pathlib import Path


def test_everything_is_looked_at_once(tmp_path: Path, llama_gguf: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [pair(number) for number in range(5)])
    (tmp_path / "schema.json").write_text('{"type": "object"}')
    spec = spec_of(
        models=[{"id": "tiny", "path": llama_gguf.name}, {"id": "gpt2", "role": "teacher"}],
        task={"description": "x", "output": {"format": "json", "schema": "schema.json"}},
        data={"train": "train.jsonl", "documents": {"examples": 7}},
        failures={"behaviour": 4, "style": 1},
    )
    found = survey(spec, tmp_path)
    assert list(found.models) == ["tiny", "gpt2"]
    assert list(found.data) == ["train", "documents"]
    assert found.data["train"].token_source.endswith(" of tiny")
    assert found.schema == {"type": "object"}
    assert found.failures is not None
    assert (found.failures.by_cause, found.failures.by_symptom, found.failures.failed) == (
        {"behaviour": 4},
        {"style": 1},
        None,
    )
    assert found.hardware.device.key == "a10g"
    assert [finding.code for finding in found.findings] == ["DATA044"]
    assert survey(spec, tmp_path) == found


def test_all_errors_are_raised_together(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [pair(1)])
    write_rows(tmp_path / "test.jsonl", [pair(1)])
    spec = spec_of(
        models=[{"id": "no/such"}],
        data={"train": "train.jsonl", "test": "test.jsonl", "validation": "v.jsonl"},
        hardware={"devices": [{"name": "L4", "memory_gb": 0}]},
        failures="f.jsonl",
    )
    lines = problems_of(lambda: survey(spec, tmp_path, file="spec.json"))
    assert [line.split()[0] for line in lines] == ["SPEC041", "SPEC041", "MODEL001", "DATA030", "HARD002"]
    assert sum("spec.json /" in line for line in lines) == 4


def test_failures_are_read_from_a_report_or_cases(tmp_path: Path) -> None:
    report = {
        "source": "diagnose/prompting",
        "cases_seen": 9,
        "failed": 2,
        "by_cause": {"behaviour": 2},
        "by_symptom": {"malformed": 2},
        "cases": [],
    }
    (tmp_path / "report.json").write_text(json.dumps(report))
    found, problems = survey_failures("report.json", tmp_path)
    assert problems == []
    assert found is not None
    assert (found.source, found.failed, found.cases_seen, found.counts) == (
        "report",
        2,
        9,
        {"behaviour": 2, "malformed": 2},
    )
    (tmp_path / "report.json").write_text(json.dumps(report | {"failed": 200, "diagnosed": 2}))
    sampled, problems = survey_failures("report.json", tmp_path)
    assert problems == []
    assert sampled is not None
    assert sampled.failed == 2, "shares are of the cases that were looked into"
    rows = [{"id": "a", "cause": "information"}, {"id": "b", "symptom": "wrong form"}]
    write_rows(tmp_path / "cases.jsonl", rows)
    found, problems = survey_failures("cases.jsonl", tmp_path)
    assert found is not None
    assert (found.by_cause, found.by_symptom) == ({"information": 1, "unknown": 1}, {"wrong form": 1})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("f.json", "{}", "`source` is missing"),
        ("f.json", "{", "not valid JSON"),
        ("f.jsonl", "", "is empty"),
        ("f.jsonl", '{"cause": "behavyour"}\n', "Did you mean `behaviour`?"),
    ],
)
def test_unusable_failures_are_findings(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    found, problems = survey_failures(name, tmp_path)
    assert found is None
    assert said in "\n".join(map(str, problems))


def test_a_misspelt_cause_in_counts_is_a_warning(tmp_path: Path) -> None:
    found = survey(spec_of(failures={"behavyour": 2}), tmp_path)
    assert ["Did you mean `behaviour`?" in str(finding) for finding in found.findings] == [True]


def test_counts_under_two_spellings_of_a_symptom_are_added(tmp_path: Path) -> None:
    found = survey(spec_of(failures={"behavior": 2, "Invalid JSON": 3, "malformed": 4}), tmp_path)
    assert not [finding for finding in found.findings if finding.code == "FAIL001"]
    assert found.failures is not None
    assert found.failures.by_cause == {"behaviour": 2}
    assert found.failures.by_symptom == {"malformed": 7}


def test_a_spec_of_declarations_touches_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(data={"train": {"examples": 100}}, models=[{"id": "base-3b", "params": 3_000_000_000}])
    survey(spec, tmp_path)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    assert survey(spec, tmp_path).data["train"].rows == 100


def test_importing_the_survey_loads_nothing_heavy() -> None:
    heavy = ("torch", "numpy", "transformers", "tokenizers", "jsonschema", "yaml", "networkx", "subprocess", "gguf")
    code = f"import sys, planner.survey; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_spec_file_and_its_survey_agree(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(BASE))
    spec, folder = read_spec(tmp_path / "spec.json")
    assert survey(spec, folder).findings == ()
