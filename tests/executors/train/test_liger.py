"""Liger's kernels need CUDA: here it is tested which are asked for, and who refuses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.train import liger
from executors.train.effective import effective, requested, require
from planner.documents import InputError, RunError
from tests.executors.train.jobs import make_job, perform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow


def patched(work: Callable[..., Any]) -> Callable[[Any, dict[str, bool]], None]:
    """What stands in for the switch of transformers, and puts its function into the first norm."""

    def switch(model: Any, kernels: dict[str, bool]) -> None:
        assert kernels == {"cross_entropy": False, "fused_linear_cross_entropy": False}
        model.model.norm.forward = work

    return switch


def test_layers_are_taken_and_losses_left(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from executors.models import load_model

    def norm(_: Any) -> None:
        """As if of the package."""

    norm.__module__ = "liger_kernel.transformers.rms_norm"
    model = load_model(tiny_model, "fp32", device="cpu")
    assert liger.use(model) == "The package liger-kernel is not installed."
    monkeypatch.setattr(liger, "is_installed", lambda: True)
    monkeypatch.setattr("transformers.integrations.liger.apply_liger_kernel", lambda *_: None)
    assert liger.use(model) == "Liger has no kernels for llama."
    assert not liger.in_use(model)
    monkeypatch.setattr("transformers.integrations.liger.apply_liger_kernel", patched(norm))
    assert liger.use(model) is None
    assert liger.in_use(model)


def test_a_processor_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Liger's kernels are written for CUDA devices; this is cpu"):
        perform(make_job(tmp_path, tiny_model, liger_kernel="when-installed"))


def test_what_is_in_effect_is_held_against_what_was_asked_for(tiny_model: Path, tmp_path: Path) -> None:
    from executors.models import load_model, load_tokenizer

    params = make_job(tmp_path, tiny_model, liger_kernel="when-installed").params
    found = effective(load_model(tiny_model, "fp32", device="cpu"), load_tokenizer(tiny_model))
    asked = requested(params, 0, found["template"], {})  # type: ignore[arg-type]
    wanted = {"liger_kernel": asked["liger_kernel"]}
    with pytest.raises(RunError, match="Asked for liger kernel True, but the loaded model has False"):
        require(wanted, found)
    told = requested(params, 0, None, {"liger_kernel": "The package liger-kernel is not installed."})  # type: ignore[arg-type]
    require({"liger_kernel": told["liger_kernel"]}, found)
