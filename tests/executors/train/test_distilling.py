"""Distillation of a tiny teacher's distributions into a tiny student."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import InputError
from tests.executors.tiny import make_tiny_model
from tests.executors.train.jobs import make_job, perform

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Job

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A model that learned the task."""
    work = tmp_path_factory.mktemp("teacher")
    job = make_job(work, tiny_model, method="full", epochs=8.0, learning_rate=0.01)
    perform(job)
    return job.out / "model"


def distilling(tmp_path: Path, model: Path, teacher: Path, **changes: Any) -> Job:
    job = make_job(tmp_path, model, objective="distillation", **{"epochs": 2.0, "learning_rate": 0.02} | changes)
    return replace(job, inputs={**job.inputs, "teacher": teacher})


def apart(one: Path, other: Path, adapter: Path | None) -> float:
    """Mean divergence of a student from a teacher on some tokens."""
    import torch

    from executors.models import load_adapter, load_model

    student = load_model(other, "fp32")
    student = load_adapter(student, adapter) if adapter else student
    ids = torch.arange(40)[None]
    with torch.no_grad():
        wanted, said = (model(input_ids=ids).logits.log_softmax(-1) for model in (load_model(one, "fp32"), student))
    return float((wanted.exp() * (wanted - said)).sum(-1).mean())


@pytest.mark.parametrize("changes", [{}, {"hard_label_weight": 0.0}, {"divergence": 1.0}, {"divergence": 0.5}])
def test_a_student_comes_nearer_to_its_teacher(
    changes: dict[str, Any], tiny_model: Path, teacher: Path, tmp_path: Path
) -> None:
    events: list[Any] = []
    job = distilling(tmp_path, tiny_model, teacher, **changes)
    object.__setattr__(job, "report", events.append)
    assert perform(job).metrics["train_loss"].value < 0.97 * events[0].loss


def test_with_hard_labels_alone_it_is_supervised_training(tiny_model: Path, teacher: Path, tmp_path: Path) -> None:
    alone = {"prompt_loss_weight": 0.0, "epochs": 1.0, "learning_rate": 0.02}
    plain = perform(make_job(tmp_path / "sft", tiny_model, **alone)).metrics
    hard = perform(distilling(tmp_path / "hard", tiny_model, teacher, hard_label_weight=1.0, **alone)).metrics
    assert hard["validation_loss"].value == pytest.approx(plain["validation_loss"].value, rel=1e-4)


def test_a_model_learns_nothing_from_itself(tiny_model: Path, tmp_path: Path) -> None:
    events: list[Any] = []
    job = distilling(tmp_path, tiny_model, tiny_model, hard_label_weight=0.0, epochs=1.0, evaluations_per_epoch=1)
    object.__setattr__(job, "report", events.append)
    perform(job)
    assert events[0].loss == pytest.approx(0.0, abs=1e-5)


def test_a_killed_distillation_leaves_what_an_undisturbed_one_leaves(
    tiny_model: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"dropout": 0.1, "checkpoint_s": 1e-6}
    whole = distilling(tmp_path / "whole", tiny_model, teacher, **changes)
    perform(whole)
    first = distilling(tmp_path / "cut", tiny_model, teacher, **changes)

    def stop(event: Any) -> None:
        if event.done == 5:
            raise KeyboardInterrupt

    object.__setattr__(first, "report", stop)
    monkeypatch.setattr("executors.train.watch.REPORT_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        perform(first)
    again = distilling(tmp_path / "cut", tiny_model, teacher, **changes)
    assert perform(again).notes["resumed_from"] == 4
    file = "adapter/adapter_model.safetensors"
    assert (again.out / file).read_bytes() == (whole.out / file).read_bytes()


def test_the_student_reloads_nearer_to_its_teacher(tiny_model: Path, teacher: Path, tmp_path: Path) -> None:
    job = distilling(tmp_path, tiny_model, teacher, hard_label_weight=0.0, epochs=4.0, prompt_loss_weight=1.0)
    perform(job)
    assert apart(teacher, tiny_model, job.out / "adapter") < apart(teacher, tiny_model, None)


def test_another_vocabulary_is_refused_in_one_sentence(tiny_model: Path, tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    other = make_tiny_model(tmp_path / "other")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(other)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(other)
    with pytest.raises(InputError, match="348 of the student's 348 tokens have the same number there"):
        perform(distilling(tmp_path, tiny_model, other))


def test_distillation_without_a_teacher_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no input `teacher`"):
        perform(make_job(tmp_path, tiny_model, objective="distillation"))


def test_what_rows_share_is_computed_once_by_both_models(tiny_model: Path, tmp_path: Path) -> None:
    found = []
    for shares in (False, True):
        job = distilling(tmp_path / str(shares), tiny_model, tiny_model, share_prefix=shares, epochs=1.0)
        outcome = perform(job)
        assert outcome.notes["share_prefix"] is shares
        found.append(outcome.metrics["validation_loss"].value)
    assert found[0] == pytest.approx(found[1], abs=1e-3)
