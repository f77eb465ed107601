"""Environments of their own: made whole or not at all, asked for before anything runs, and really run in."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from executors.action import action_key
from executors.environments import (
    command_of,
    environments_root,
    folder_of,
    is_made,
    known_environments,
    make,
    python_of,
)
from executors.locks import locked
from executors.registry import Registry
from executors.runner import run_plan
from planner.documents import GPTQMODEL, LLM_COMPRESSOR, Environment, InputError, LockedError, RunError
from tests.executors.fakes import Where
from tests.executors.plans import make_plan, write_step

if TYPE_CHECKING:
    from executors.report import RunReport

REGISTRY = Registry(targets={"where": "tests.executors.fakes:Where"})
# What the worker imports of the one library that it needs.
LIGHT = ("pydantic", "pydantic_core", "annotated_types", "typing_extensions.py", "typing_inspection")


def wheel(folder: Path, name: str, code: str) -> Path:
    """A wheel of one module."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", code)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return folder


def of(wheels: Path, *names: str, module: str = "tiny_library") -> Environment:
    from_here = ("--no-index", "--find-links", str(wheels))
    return Environment(name="tiny", installs=((*from_here, *names),), modules=(module,))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Environment, list[str]]:
    """The root of environments, one that is made there, and what was said while it was."""
    wheels = wheel(tmp_path_factory.mktemp("wheels"), "tiny_library", "WORD = 'only here'\n")
    root, said = tmp_path_factory.mktemp("environments"), list[str]()
    environment = of(wheels, "tiny_library==1.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAPT_ENVIRONMENTS", str(root))
        folder = make(environment, said.append)
    # pydantic stands in for what an index would give.
    packages = next(folder.glob("lib/python*/site-packages"))
    for name in LIGHT:
        (packages / name).symlink_to(Path(pydantic.__file__).parents[1] / name)
    return root, environment, said


@pytest.fixture
def made(tiny: tuple[Path, Environment, list[str]], monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("ADAPT_ENVIRONMENTS", str(tiny[0]))
    monkeypatch.setattr(Where, "environments", (tiny[1],))
    return tiny[1]


def run(folder: Path, environment: Environment | None, **more: Any) -> RunReport:
    step = write_step("where/it-runs", executor="where", environment=environment, params={}, **more)
    return run_plan(make_plan(step), folder, registry=REGISTRY)


def told(report: RunReport, folder: Path) -> dict[str, Any]:
    digest = report.steps[0].artifacts["text"].digest.removeprefix("sha256:")
    found: dict[str, Any] = json.loads((folder / ".adapt/store/sha256" / digest).read_text())
    return found


def test_it_is_made_with_a_word_for_every_piece_of_work(tiny: tuple[Path, Environment, list[str]]) -> None:
    root, environment, said = tiny
    assert said[0].startswith("Making ")
    assert any(line.startswith("Installing ") and line.endswith("(1 of 1) ...") for line in said)
    assert said[-1] == "Importing tiny_library ..."
    ready = json.loads((root / environment.folder / "ready.json").read_text())
    assert "tiny_library==1.0" in " ".join(ready["installed"]).replace("-", "_")


def test_what_is_made_is_not_made_again(made: Environment) -> None:
    said: list[str] = []
    assert make(made, said.append) == folder_of(made)
    assert said == ["tiny is made already."]


def test_a_worker_runs_in_it_and_finds_adapt_but_nothing_that_adapt_is_installed_beside(
    tmp_path: Path, made: Environment
) -> None:
    report = run(tmp_path, made)
    assert report.status == "done", report.steps[0].error
    found = told(report, tmp_path)
    assert found["python"] == str(python_of(made))
    assert found["found"] == {"tiny_library": True, "executors": True, "click": False}


def test_without_an_environment_it_runs_where_adapt_does(tmp_path: Path, made: Environment) -> None:
    found = told(run(tmp_path, None), tmp_path)
    assert found["found"] == {"tiny_library": False, "executors": True, "click": True}


def test_an_environment_is_part_of_what_a_result_depends_on(made: Environment) -> None:
    other = made.model_copy(update={"installs": (("tiny_library==2.0",),)})
    keys = {action_key(write_step("a/b", environment=each), {}) for each in (None, made, other)}
    assert len(keys) == 3


@pytest.mark.parametrize("half", [False, True])
def test_a_missing_environment_stops_a_run_before_anything_is_written(
    tmp_path: Path, made: Environment, monkeypatch: pytest.MonkeyPatch, *, half: bool
) -> None:
    monkeypatch.setenv("ADAPT_ENVIRONMENTS", str(tmp_path / "elsewhere"))
    if half:
        (folder_of(made) / "bin").mkdir(parents=True)
        (folder_of(made) / "bin" / "python").touch()
    with pytest.raises(InputError) as caught:
        run(tmp_path / "work", made)
    [finding] = caught.value.findings
    assert (finding.code, finding.where.pointer) == ("RUN187", "/steps/0/environment")
    assert "is not made here" in finding.message
    assert finding.fix == "Make it once: adapt environments make tiny."
    assert not (tmp_path / "work").exists()


def test_a_plan_cannot_name_an_environment_of_its_own(tmp_path: Path, made: Environment) -> None:
    other = made.model_copy(update={"installs": (("something-else==1.0",),)})
    with pytest.raises(InputError, match="its executor here does not know"):
        run(tmp_path, other)


@pytest.mark.parametrize(
    ("names", "module", "said", "fix"),
    [
        (("absent-library==1.0",), "json", "No matching distribution found for absent-library==1.0", "package index"),
        ((), "absent_module", "No module named 'absent_module'", "Mend that"),
    ],
)
def test_what_cannot_be_made_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], module: str, said: str, fix: str
) -> None:
    monkeypatch.setenv("ADAPT_ENVIRONMENTS", str(tmp_path / "root"))
    wheels = wheel(tmp_path, "tiny_library", "")
    environment = of(wheels, *(names or ("tiny_library",)), module=module)
    with pytest.raises(RunError) as caught:
        make(environment, lambda line: None)
    [finding] = caught.value.findings
    assert said in finding.message
    assert fix in finding.fix
    assert not folder_of(environment).exists()
    assert not is_made(environment)


def test_one_process_makes_it_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPT_ENVIRONMENTS", str(tmp_path))
    environment = of(tmp_path, "tiny_library")
    lock = tmp_path / ".making" / environment.folder / "lock"
    with locked(lock), pytest.raises(LockedError, match="is in use by"):
        make(environment, lambda line: None)


def test_a_root_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ADAPT_ENVIRONMENTS", str(tmp_path / "file" / "root"))
    with pytest.raises(RunError, match="could not be made"):
        make(of(tmp_path, "tiny_library"), lambda line: None)


def test_the_root_is_a_setting_or_lies_in_the_cache(tmp_path: Path) -> None:
    assert environments_root({"ADAPT_ENVIRONMENTS": str(tmp_path)}) == tmp_path
    assert environments_root({"XDG_CACHE_HOME": "/c"}) == Path("/c/adapt/environments")
    assert environments_root({}) == Path.home() / ".cache/adapt/environments"


def test_those_that_quantize_are_known_by_name() -> None:
    known = known_environments()
    assert known == {each.name: each for each in (GPTQMODEL, LLM_COMPRESSOR)}
    assert command_of(known["gptqmodel"]) == "adapt environments make gptqmodel"
    for each in known.values():
        assert each.installs[0] == ("torch==2.13.0",)
        last = [word for word in each.installs[-1] if not word.startswith("-")]
        assert all("==" in word for word in last), "what decides about the result is pinned"
