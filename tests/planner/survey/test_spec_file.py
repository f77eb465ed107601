"""A spec is read from JSON, YAML, TOML or values, and what is wrong with it is said at its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.documents import InputError
from planner.survey import read_spec
from tests.planner.survey.conftest import BASE, pair, problems_of, write_rows

JSON_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TOML = 'hardware = "a10g"\n[task]\ndescription = "Answer"\n[[models]]\nid = "gpt2"\n'
YAML = "task:\n  description: Answer\nmodels:\n- id: gpt2\nhardware: a10g\n"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("spec.json", json.dumps(BASE)),
        ("spec.yaml", YAML),
        ("spec.yml", YAML),
        ("spec.toml", TOML),
        ("json-without-suffix", json.dumps(BASE)),
        ("yaml-without-suffix", YAML),
        ("toml-without-suffix", TOML),
        ("with-mark.json", "\ufeff" + json.dumps(BASE)),
    ],
)
def test_every_syntax_gives_the_same_spec(tmp_path: Path, name: str, content: str) -> None:
    spec, folder = read_spec(write(tmp_path, name, content))
    assert spec == read_spec(BASE)[0]
    assert folder == tmp_path


def test_values_are_relative_to_the_working_folder() -> None:
    assert read_spec(BASE)[1] == Path()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "", "is empty"),
        ("a.json", "  \n", "is empty"),
        ("a.json", b"\xff{}", "not UTF-8: byte 0xff in line 1"),
        ("a.json", '{"task":\n{"a" 3}}', "a.json:2: "),
        ("a.json", '{"task": 1,\n"task": 2}', "a.json:2: `a.json` is not valid JSON: the key `task` is written twice"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.json", '{"a": NaN}', "not a finite number"),
        ("a.json", '{"a": "\\ud800"}', "half of a surrogate pair"),
        ("a.json", "[1]", "The spec is a list"),
        ("a.json", "7", "The spec is a single value"),
        ("a.yaml", "a: &a [*a]", "an alias contains itself"),
        ("a.yaml", "task: 1\ntask: 2", "a.yaml:2: `a.yaml` is not valid YAML: the key `task` is written twice"),
        ("a.yaml", "a: !!python/object:os.system {}", "constructor"),
        ("a.yaml", "[" * 100_000, "nested more than"),
        ("a.yaml", "a: [1,\nb: }", "a.yaml:2: "),
        ("a.yaml", "1: 2", "the key 1 is not text"),
        ("a.yaml", "a: .inf", "not a finite number"),
        ("a.toml", "a = \n", "a.toml:1: "),
        ("a.toml", "a = 1\na = 2\n", "a.toml:2: "),
    ],
)
def test_broken_text_is_explained_with_its_place(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    path = write(tmp_path, name, content)
    (line,) = problems_of(lambda: read_spec(path))
    assert said in line.replace(f"{tmp_path}/", "")


def test_an_alias_bomb_is_refused_before_it_unfolds(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, letter in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{letter}: &{letter} [{', '.join([f'*{before}'] * 9)}]")
    path = write(tmp_path, "bomb.yaml", "\n".join(lines))
    (line,) = problems_of(lambda: read_spec(path))
    assert "unfold to more than 100,000 values" in line


def test_a_yaml_spec_may_use_anchors(tmp_path: Path) -> None:
    text = YAML + "attempts:\n- &one {approach: prompt, metrics: {f1: 0.2}}\n- {<<: *one, approach: few-shot}\n"
    spec, _ = read_spec(write(tmp_path, "spec.yaml", text))
    assert [each.metrics for each in spec.attempts] == [{"f1": 0.2}, {"f1": 0.2}]


def test_missing_files_folders_and_giants_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "spec.json", json.dumps(BASE))
    assert "Did you mean `spec.json`?" in problems_of(lambda: read_spec(tmp_path / "spce.json"))[0]
    assert "Name the file inside it: `spec.json`." in problems_of(lambda: read_spec(tmp_path))[0]
    with (tmp_path / "big.yaml").open("wb") as stream:
        stream.truncate(11_000_000)
    assert "at most 10 MB" in problems_of(lambda: read_spec(tmp_path / "big.yaml"))[0]


def test_every_problem_of_the_spec_and_its_files_is_said_at_once(tmp_path: Path) -> None:
    write_rows(tmp_path / "test.jsonl", [pair(1), {"prompt": " ", "completion": "x"}])
    fields = {
        "models": [{"id": "meta-llama/Lama-3.1-8B-Instruct"}],
        "data": {"train": "tran.jsonl", "test": "test.jsonl"},
        "evaluation": {"metrics": ["exact_match"], "target": {"exact_mach": 95}},
        "hardware": "a10gg",
    }
    path = write(tmp_path, "spec.json", json.dumps({**BASE, **fields}))
    text = "\n".join(problems_of(lambda: read_spec(path)))
    assert "/evaluation/target/exact_mach: The target `exact_mach` is not among the metrics. Did you mean" in text
    assert "Write a fraction: 0.95 for 95%." in text
    assert "/data/train: The file `tran.jsonl` does not exist." in text
    assert "/models/0/id: The model `meta-llama/Lama-3.1-8B-Instruct` is not there" in text
    assert "Did you mean `meta-llama/Llama-3.1-8B-Instruct`" in text
    assert "test.jsonl:2: The row cannot be used: `prompt` is blank." in text
    assert "/hardware: The hardware `a10gg` is not in the catalog. Did you mean `a10g`" in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200), suffix=st.sampled_from([".json", ".yaml", ".toml", ""]))
def test_any_bytes_are_a_spec_or_a_finding(tmp_path: Path, content: bytes, suffix: str) -> None:
    try:
        read_spec(write(tmp_path, f"spec{suffix}", content))
    except InputError as error:
        assert all(finding.message for finding in error.findings)


@settings(deadline=None)
@given(data=st.dictionaries(st.sampled_from(["task", "models", "data", "evaluation", "name", "x"]), JSON_VALUES))
def test_any_values_are_a_spec_or_findings_whose_pointers_lead_somewhere(data: dict[str, Any]) -> None:
    try:
        read_spec(data)
    except InputError as error:
        for finding in error.findings:
            pointer = finding.where.pointer
            assert pointer is None or pointer == "" or pointer.startswith("/")
