"""A plan's training in the words of other tools: complete, read by our own review, and refused where it cannot be."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import adapt
from executors.export.document import Export
from executors.export.recipes import RECIPES, export_recipe
from executors.export.trainings import trainings
from planner.documents import InputError, Pin, RunError
from tests.executors.export.cases import COMMON, METHODS, training_sources
from tests.executors.export.goldens import CASES, CONFIGURATIONS, FOLDER, rendered
from tests.executors.export.rendering import ALL, another, possible, render

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("target", "case"), [(target, case) for target in RECIPES for case in METHODS])
def test_a_target_says_the_method_or_names_who_can(tmp_path: Path, target: str, case: str) -> None:
    if case in possible(target):
        assert render(tmp_path, target, case).files
        return
    others = " or ".join(each for each in RECIPES if each != target and case in possible(each))
    who = f"Export it to {others}." if others else "No other tool here does: run it with adapt."
    with pytest.raises(InputError, match=r"does not do|do not take") as refused:
        render(tmp_path, target, case)
    assert str(refused.value).endswith(who)


@pytest.mark.parametrize(("target", "case"), ALL)
def test_every_parameter_is_said_or_listed(tmp_path: Path, target: str, case: str) -> None:
    """Another value gives other files, another command, or is told in other words."""
    before = render(tmp_path, target, case)
    told = [str(finding.where.pointer) + finding.message for finding in before.findings]
    named = " ".join(told)
    for name, value in {**COMMON, **METHODS[case]}.items():
        changed = another(target, case, name, value)
        if not changed or f"/params/{name}" in named or (target == "openai" and name in named):
            continue
        after = render(tmp_path, target, case, **changed)
        now = [str(finding.where.pointer) + finding.message for finding in after.findings]
        assert (dict(after.files), after.command, now) != (dict(before.files), before.command, told), name


# A head is trained by a script.
REVIEWED = [(tool, case) for tool, case in ALL if tool in ("axolotl", "llama-factory", "trl") and case != "head"]


@pytest.mark.parametrize(("target", "case"), REVIEWED)
def test_our_own_review_finds_no_fault(tmp_path: Path, target: str, case: str) -> None:
    out = tmp_path / "out"
    export_recipe(training_sources(tmp_path, case), target, out)
    [name, *_] = CONFIGURATIONS[target]
    found = adapt.review([out / name], data=5000)
    assert [item for item in found.findings if item.severity == "error"] == []
    assert found.files[0].tool == target


@pytest.mark.parametrize(("target", "case"), [(target, case) for target in RECIPES for case in CASES])
def test_the_files_are_those_that_were_reviewed(target: str, case: str) -> None:
    for name, content in rendered(target, case).items():
        assert content == (FOLDER / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("case", possible("unsloth"))
def test_the_script_for_unsloth_is_python(tmp_path: Path, case: str) -> None:
    ast.parse(render(tmp_path, "unsloth", case).files["train.py"])


@pytest.mark.parametrize("case", possible("trl"))
def test_the_command_of_trl_is_used_where_it_has_the_words(tmp_path: Path, case: str) -> None:
    files = render(tmp_path, "trl", case).files
    needs_script = case not in (
        "full", "galore", "lora", "dora", "qlora", "qlora-int8", "continued-pretraining", "dpo", "kto",
        "evaluations", "zero-3", "fsdp", "ddp", "turns",
    )  # fmt: skip
    assert ("train.py" in files) == needs_script
    if needs_script:
        compile(files["train.py"], "train.py", "exec")
        assert not re.search("<[A-Z_]+>", files["train.py"])


def test_longer_contexts_are_stretched_as_planned(tmp_path: Path) -> None:
    """With the base's window of 32,768 tokens; every tool has words of its own for it."""
    axolotl = yaml.safe_load(render(tmp_path, "axolotl", "longer").files["axolotl.yml"])
    assert axolotl["overrides_of_model_config"] == {
        "rope_parameters": {
            "rope_type": "yarn", "factor": 4.0, "rope_theta": 1e6, "original_max_position_embeddings": 32768,
        },
        "max_position_embeddings": 131072,
    }  # fmt: skip
    assert "POSITIONS = {'rope_type': 'yarn', 'factor': 4.0}" in render(tmp_path, "trl", "longer").files["train.py"]
    assert '"rope_scaling": {' in render(tmp_path, "unsloth", "longer").files["train.py"]
    factory = render(tmp_path, "llama-factory", "longer")
    assert yaml.safe_load(factory.files["llama_factory.yaml"])["rope_scaling"] == "yarn"
    assert not [each for each in factory.findings if "stretched" in each.message], "100,000 tokens need the factor 4"
    other = render(tmp_path, "llama-factory", "longer", scaling_factor=2.0).findings
    assert any("takes 4, which `cutoff_len` needs" in each.message for each in other)
    shifted = yaml.safe_load(render(tmp_path, "llama-factory", "longlora").files["llama_factory.yaml"])
    assert (shifted["shift_attn"], shifted["finetuning_type"]) == (True, "lora")


def test_several_devices_are_started_by_the_tools_own_launcher(tmp_path: Path) -> None:
    commands = {
        (target, case): render(tmp_path, target, case).command
        for target in ("trl", "axolotl", "llama-factory")
        for case in ("ddp", "fsdp", "zero-3")
    }
    assert commands["trl", "fsdp"] == "trl sft --config trl.yaml --num_processes 2 --accelerate_config fsdp2"
    assert "--nproc_per_node=4 --nnodes=2" in commands["axolotl", "ddp"]
    assert commands["llama-factory", "zero-3"].startswith("FORCE_TORCHRUN=1 NPROC_PER_NODE=4 NNODES=1 ")
    files = render(tmp_path, "trl", "zero-3").files
    zero = json.loads(files["deepspeed_zero3_offload.json"])["zero_optimization"]
    assert (zero["stage"], zero["offload_optimizer"]) == (3, {"device": "cpu"})
    assert yaml.safe_load(files["trl.yaml"])["deepspeed"] == "deepspeed_zero3_offload.json"


def test_an_export_says_what_it_holds(tmp_path: Path) -> None:
    export = export_recipe(training_sources(tmp_path, "evaluations"), "trl", tmp_path / "out")
    there = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert list(export.files) == there
    assert Export.model_validate_json((tmp_path / "out" / "export.json").read_text()) == export
    assert "The prompt's tokens weigh 0.1" in (tmp_path / "out" / "NOTES.md").read_text()


def test_a_base_of_ones_own_is_named_instead(tmp_path: Path) -> None:
    quantized = Pin(kind="model", path="package:weights/base.Q4_1.gguf", id="some/base")
    sources = training_sources(tmp_path, "lora", base=quantized)
    [training] = trainings(sources)
    assert "base.Q4_1.gguf" in training.findings[0].message
    export = export_recipe(sources, "trl", tmp_path / "out", base="mine/base")
    settings = yaml.safe_load((tmp_path / "out" / "trl.yaml").read_text())
    assert settings["model_name_or_path"] == "mine/base"
    assert not any("Q4_1" in finding.message for finding in export.unsaid)


def test_a_plan_that_trains_nothing_is_refused(tmp_path: Path) -> None:
    sources = training_sources(tmp_path, "lora")
    plan = sources.plan.model_copy(update={"steps": sources.plan.steps[:1]})
    with pytest.raises(InputError, match="trains nothing"):
        trainings(sources.__class__(plan, sources.root, sources.state))


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path) -> None:
    sources, out = training_sources(tmp_path, "lora"), tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    for replaces in (False, True):
        with pytest.raises(InputError, match=r"there already|not made by an export"):
            export_recipe(sources, "trl", out, replaces=replaces)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_an_earlier_export_is_replaced_when_asked(tmp_path: Path) -> None:
    sources, out = training_sources(tmp_path, "lora"), tmp_path / "out"
    export_recipe(sources, "trl", out)
    with pytest.raises(InputError, match="--replace"):
        export_recipe(sources, "axolotl", out)
    export_recipe(sources, "axolotl", out, replaces=True)
    assert (out / "axolotl.yml").is_file()
    assert not (out / "trl.yaml").exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    sources = training_sources(tmp_path, "lora")
    before = sorted(path.name for path in tmp_path.iterdir())
    monkeypatch.setattr("executors.export.recipes._write", full)
    with pytest.raises(RunError, match="disk is full"):
        export_recipe(sources, "trl", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
