"""How training is drawn: parameters that its method has, what it leaves, how it is spread, the longer paths to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import networkx
import pytest

from executors.contract import Site
from executors.distill import DistillParams
from executors.train import Train
from executors.train.params import TrainParams
from planner.planning import plan
from planner.rules import core_book
from tests.executors.tiny import make_tiny_model
from tests.planner.specs import EXPLORED, spec

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Plan, Step

CHAT: dict[str, Any] = {
    "attempts": EXPLORED,
    "failures": {"style": 30},
    "task__kind": "chat",
    "task__output": {"format": "text"},
}
SMALL = [{"id": "Qwen/Qwen2.5-1.5B-Instruct"}]


def drawn(**changes: Any) -> Plan:
    return plan(spec(**CHAT | changes))


def trained(**changes: Any) -> Step:
    [step] = [step for step in drawn(**changes).steps if step.executor == "train"]
    return step


def answers(document: Plan) -> dict[str, Any]:
    return {decision.question: decision.answer for decision in document.decisions}


@pytest.mark.parametrize("method", sorted({*core_book().decisions["method"].answers} - {"linear-probe"}))
def test_a_training_names_what_its_method_has_and_nothing_else(method: str) -> None:
    labels = {"format": "label", "labels": ["a", "b"]}
    models = [{"id": "openai-community/gpt2"}]
    step = trained(models=models, task__kind="classification", task__output=labels, overrides={"method": method})
    low_rank = {"lora", "qlora", "dora", "relora", "longlora"}
    assert ("targets" in step.params) == (method in low_rank)
    assert ("rank" in step.params) == (method in low_rank | {"galore"})
    assert ("virtual_tokens" in step.params) == method.endswith("-tuning")
    assert ("layers_trained" in step.params) == (method == "partial")
    whole = method in {"full", "partial", "bitfit", "galore", "relora"}
    assert step.outputs == (("model",) if whole else ("adapter",))
    if method == "lora":
        assert step.params.keys() <= TrainParams.model_fields.keys()
        unsaid = TrainParams.model_fields.keys() - step.params.keys()
        assert all(TrainParams.model_fields[name].default is None for name in unsaid), unsaid


def test_a_model_that_is_trained_whole_is_measured_and_left_without_a_merge() -> None:
    document = drawn(models=SMALL, overrides={"method": "full"})
    assert document.step("evaluate/sft").inputs["model"].step == "train/sft"
    assert not [step for step in document.steps if step.executor == "merge"]
    assert document.outputs["model"] == "train/sft:model"


def test_a_training_over_several_devices_says_how_many() -> None:
    step = trained(hardware="8xh100", data__train={"examples": 400_000, "mean_tokens": 400, "quality": "curated"})
    assert (step.params["method"], step.params["distribution"], step.params["devices"]) == ("full", "fsdp", 8)
    one = trained()
    assert one.params["distribution"] == "single"
    assert "devices" not in one.params


def test_the_executor_refuses_devices_that_are_not_here() -> None:
    step = trained(hardware="8xh100", data__train={"examples": 20_000, "mean_tokens": 400})
    assert step.params["distribution"] == "ddp"
    TrainParams.model_validate(step.params)
    fields: dict[str, Any] = {
        "device": "cuda",
        "device_memory_bytes": 10**10,
        "cores": 8,
        "disk_free_bytes": 10**12,
    }
    assert Train().check(step, Site(**fields, devices=8)) == []
    (finding,) = Train().check(step, Site(**fields, devices=2))
    assert finding.message == "Training is spread over 8 devices, and this machine (cuda) has 2 devices."
    two = step.model_copy(update={"params": {**step.params, "nodes": 2}})
    (finding,) = Train().check(two, Site(**fields, devices=8))
    assert finding.message == "Training is spread over 2 machines, and this place starts processes on one."


def test_raw_text_is_seen_once_before_the_pairs() -> None:
    train = {"examples": 500, "mean_tokens": 300, "quality": "curated"}
    document = drawn(data__train=train, data__documents={"examples": 400_000, "mean_tokens": 400})
    first, second = (step for step in document.steps if step.executor == "train")
    assert (first.params["objective"], second.params["objective"]) == ("continued-pretraining", "sft")
    assert (first.params["epochs"], first.params["prompt_loss_weight"]) == (1.0, 1.0)
    # What the first learned is in the weights that the second starts from.
    assert first.outputs == ("adapter",)
    merged = document.step("merge/continued-pretraining")
    assert merged.inputs["adapter"].step == first.address
    assert second.inputs["model"].step == merged.address
    assert first.inputs.keys() == {"model", "train"}
    assert (first.params["max_length"], first.params["packing"], first.params["held_out"]) == (2048, True, 0.05)
    assert first.resources.time.expected > second.resources.time.expected  # type: ignore[union-attr]


def test_few_pairs_after_much_text_are_learned_by_an_adapter() -> None:
    train = {"examples": 500, "mean_tokens": 300, "quality": "curated"}
    hardware = "8xh100"
    document = drawn(
        data__train=train, data__documents={"examples": 400_000, "mean_tokens": 400}, models=SMALL, hardware=hardware
    )
    first, second = (step for step in document.steps if step.executor == "train")
    assert (first.params["method"], second.params["method"]) == ("full", "lora")
    assert second.inputs["model"].step == first.address
    assert second.params["rank"] == 16
    assert "rank" not in first.params
    assert second.params["learning_rate"] > 5 * float(str(first.params["learning_rate"]))
    assert answers(document)["serving"] == "merged"
    merged = document.step("merge/sft")
    assert (merged.inputs["model"].step, merged.inputs["adapter"].step) == (first.address, second.address)
    assert "full-on-few-rows" not in answers(document)["warnings"]
    alike = drawn(
        data__train=train,
        data__documents={"examples": 400_000, "mean_tokens": 400},
        models=SMALL,
        hardware=hardware,
        overrides={"pair_method": "full"},
    )
    assert "full-on-few-rows" in answers(alike)["warnings"]


def test_comparisons_keep_near_the_model_that_they_start_from() -> None:
    step = trained(data__train=None, data__preferences={"examples": 9000, "mean_tokens": 500})
    assert step.inputs["train"].pin == "data/preferences"
    assert step.params["preference_beta"] == 0.1
    assert step.params["preference_loss"] == "sigmoid"
    assert step.params["learning_rate"] == 7.1e-5
    more = {"examples": 500_000, "mean_tokens": 500}
    many = trained(data__train=None, data__preferences=more, overrides={"method": "lora"})
    assert many.params["learning_rate"] == 5e-6


@pytest.fixture
def compared(tmp_path: Path) -> dict[str, Any]:
    """A spec with comparisons to learn from and to measure on."""
    rows = [{"prompt": f"ask {at}", "chosen": f"good {at}", "rejected": f"bad {at}"} for at in range(240)]
    for name, part in (("train", rows[:200]), ("test", rows[200:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    return {
        "task": {"description": "Answer as people prefer."},
        "models": SMALL,
        "hardware": "a10g",
        "attempts": EXPLORED,
        "failures": {"style": 30},
        "data": {"preferences": "train.jsonl", "test": "test.jsonl"},
    }


def test_what_was_trained_on_comparisons_is_measured_against_what_it_was(
    compared: dict[str, Any], tmp_path: Path
) -> None:
    document = plan(compared, folder=tmp_path)
    assert document.spec.evaluation.metrics == ("preference_accuracy",)
    assert not any(step.executor == "diagnose" for step in document.steps), "no answer is right or wrong"
    base = document.step("train/preference").inputs["model"]
    measured = [step for step in document.steps if step.executor == "evaluate"]
    assert [step.inputs.get("before") for step in measured] == [
        base if "adapter" in step.inputs or "merge" in str(step.inputs["model"].step) else None for step in measured
    ]
    assert sum("before" in step.inputs for step in measured) >= 1
    TrainParams.model_validate(document.step("train/preference").params)


def test_verdicts_on_single_answers_are_learned_by_kto(compared: dict[str, Any], tmp_path: Path) -> None:
    rows = [{"prompt": f"ask {at}", "completion": f"said {at}", "label": at % 2 == 0} for at in range(200)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    step = plan(compared, folder=tmp_path).step("train/preference")
    assert step.params["preference_loss"] == "kto"
    TrainParams.model_validate(step.params)


def test_comparisons_are_not_validated_on_other_rows(compared: dict[str, Any], tmp_path: Path) -> None:
    row = {"prompt": "ask", "completion": "said"}
    (tmp_path / "valid.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    compared["data"]["validation"] = "valid.jsonl"
    assert "validation" not in plan(compared, folder=tmp_path).step("train/preference").inputs


def test_progression_goes_from_the_cheapest_to_the_best() -> None:
    document = drawn(overrides={"path": "progression"})
    order = [step.address for step in document.steps if step.executor == "train"]
    assert order == ["train/code-check", "train/data-check-part", "train/data-check", "train/sft"]
    passes = [float(str(document.step(address).params["epochs"])) for address in order]
    assert passes[0] < passes[1] < passes[2] == passes[3]
    costs = [document.step(address).resources.time.expected for address in order]  # type: ignore[union-attr]
    assert costs == sorted(costs)
    assert "evaluate/data-check" in [step.address for step in document.steps]


def test_a_teacher_writes_the_rows_that_the_student_learns_from() -> None:
    models = [{"id": "Qwen/Qwen2.5-72B-Instruct", "role": "teacher"}, {"id": SMALL[0]["id"], "role": "student"}]
    document = drawn(models=models, data__train={"examples": 200, "mean_tokens": 200, "quality": "curated"})
    assert answers(document)["path"] == "distillation"
    assert document.step("train/distillation").inputs["train"].step == "distill/rows"
    written = document.step("distill/rows")
    assert written.params["rows"] == 10_000
    DistillParams.model_validate(written.params)
    assert {field.alias or name for name, field in DistillParams.model_fields.items()} == written.params.keys()
    TrainParams.model_validate(document.step("train/distillation").params)
    assert "train/teacher" not in [step.address for step in document.steps], "a teacher that is named knows already"


def test_without_a_teacher_the_strongest_model_is_trained_to_be_one() -> None:
    document = drawn(overrides={"path": "distillation"})
    addresses = [step.address for step in document.steps]
    assert addresses.index("train/teacher") < addresses.index("distill/rows") < addresses.index("train/sft")
    student = document.step("train/sft").inputs["model"]
    assert student != document.step("train/teacher").inputs["model"]
    assert document.step("evaluate/sft").inputs["model"] == student


@pytest.mark.parametrize("same", [True, False])
def test_a_teacher_at_hand_teaches_its_distributions_where_the_vocabularies_agree(same: bool, tmp_path: Path) -> None:
    rows = [{"prompt": f"ask {at}", "completion": f"said {at}"} for at in range(240)]
    for name, part in (("train", rows[:200]), ("test", rows[200:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    for name, seed in (("student", 0), ("teacher", 1)):
        make_tiny_model(tmp_path / name, seed=seed)
    if not same:
        file = tmp_path / "teacher" / "tokenizer.json"
        file.write_text(file.read_text(encoding="utf-8").replace("garden", "cellars"), encoding="utf-8")
    document = plan(
        {
            "task": {"description": "Answer.", "kind": "chat"},
            "models": [
                {"id": "tiny/student", "path": "student", "license": "apache-2.0", "role": "student"},
                {"id": "tiny/teacher", "path": "teacher", "license": "apache-2.0", "role": "teacher"},
            ],
            "data": {"train": "train.jsonl", "test": "test.jsonl"},
            "attempts": EXPLORED,
            "failures": {"style": 30},
        },
        folder=tmp_path,
    )
    step = document.step("train/distillation")
    TrainParams.model_validate(step.params)
    assert step.params["objective"] == ("distillation" if same else "sft")
    assert ("teacher" in step.inputs) == same
    assert "teacher" not in document.step("evaluate/distillation").inputs


@pytest.mark.parametrize("path", ["direct", "progression", "distillation"])
def test_every_path_is_a_graph_without_circles_and_tells_the_others(path: str) -> None:
    document = drawn(overrides={"path": path})
    graph = networkx.DiGraph([(need, step.address) for step in document.steps for need in step.needs])
    assert networkx.is_directed_acyclic_graph(graph)
    assert {each.name for each in document.alternatives} == {"direct", "progression", "distillation"} - {path}
    for other in document.alternatives:
        assert other.set == {"overrides.path": other.name}
        assert all(stage.model and stage.learns for stage in other.stages)
        trainings = [stage for stage in other.stages if stage.title != "Let it write rows"]
        assert all(stage.time is not None and stage.cost is not None for stage in trainings)


def test_without_a_smaller_model_there_is_only_the_direct_path() -> None:
    document = drawn(models=[{"id": "house/one", "params": 3_000_000_000}])
    assert document.alternatives == ()


@pytest.mark.parametrize("data", ["train", "documents"])
def test_infilling_says_how_gaps_are_made(data: str) -> None:
    texts = {"examples": 3000, "mean_tokens": 300}
    given = {"data__train": None, "data__validation": None, f"data__{data}": texts}
    step = trained(**given, task__infilling=True, task__kind="code", overrides={"approach": "finetune"})
    assert step.params["objective"] == "infilling"
    assert (step.params["fim_rate"], step.params["spm_rate"]) == (0.9, 0.5)
    assert step.inputs.keys() == {"model", "train"}
    assert step.inputs["train"].pin == f"data/{data}"
    assert step.params["held_out"] == (0.05 if data == "documents" else 0.0)
    TrainParams.model_validate(step.params)


def test_a_pin_that_no_training_has_is_said_to_change_nothing() -> None:
    def said(**overrides: Any) -> list[str]:
        return [str(each) for each in drawn(models=SMALL, overrides=overrides).warnings if each.code == "PIN012"]

    assert "No training of the plan has a rank" in said(method="ia3", rank=8)[0]
    assert "it belongs to infilling" in said(method="ia3", fim_rate=0.5)[0]
    assert not said(method="lora", rank=8, scaling="none", epochs=2)
