from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.train.belonging import IN_PLACE, output_of
from tests.executors.tiny import make_tiny_model
from tests.executors.train.jobs import METHODS, make_job, perform

if TYPE_CHECKING:
    from pathlib import Path

# peft asks transformers by a name that is on its way out; bitsandbytes tells what it computes in.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing"),
    pytest.mark.filterwarnings("ignore:MatMul8bitLt"),
]

SHORT: dict[str, Any] = {"epochs": 2.0, "schedule": "constant", "warmup_ratio": 0.0}
KINDS: dict[str, dict[str, Any]] = {method: {"method": method} for method in METHODS} | {
    "qlora in 8 bits": {"method": "qlora", "base_quantization": "int8"},
    "rslora": {"rank_scaling": "rslora", "learning_rate": 0.01},
    "lora+": {"rate_ratio": 4.0, "learning_rate": 0.01},
    "pissa": {"initialisation": "pissa", "learning_rate": 0.005},
    "olora": {"initialisation": "olora", "learning_rate": 0.005},
    "gaussian": {"initialisation": "gaussian"},
    "orthogonal": {"initialisation": "orthogonal"},
    "eva": {"initialisation": "eva"},
    "mica": {"initialisation": "mica"},
    "eva beside 4 bits": {"method": "qlora", "base_quantization": "nf4", "initialisation": "eva"},
    "partial, named modules": {"method": "partial", "layers_trained": 2, "modules_trained": ["self_attn", "down_proj"]},
    "pissa with rslora": {"initialisation": "pissa", "rank_scaling": "rslora", "learning_rate": 0.005},
    "8-bit optimizer": {"optimizer": "adamw-8bit"},
}
# The largest difference of logits, of a size of about 1, between training and what was reloaded.
EXACT, REWRITTEN = 0.0, 2e-5


@pytest.fixture(scope="module")
def biased_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("biased") / "model", biases=True)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, float]]:
    """The models of the trainings of a test, as they were when each ended, and the validation losses at their start."""
    from executors.train import work

    models: list[tuple[Any, float]] = []
    load = work._load

    def keep(*arguments: Any) -> Any:
        loaded = load(*arguments)
        trainer = loaded[0]
        models.append((trainer.model, trainer.evaluate()["eval_loss"]))
        trainer.plan.watch.record.evaluations.clear()
        return loaded

    monkeypatch.setattr(work, "_load", keep)
    return models


def logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(20)[None]).logits[:, -20:]


def reloaded(job: Any) -> Any:
    """What any program would load: by transformers and peft alone, but for the adapters that peft does not know."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from executors.models import load_adapter, load_model

    params = job.params
    if params.method in IN_PLACE:
        return AutoModelForCausalLM.from_pretrained(job.out / "model")
    base = load_model(job.inputs["model"], "fp32", device="cpu", quantization=params.base_quantization or "none")
    if params.method == "adapter":
        return load_adapter(base, job.out / "adapter")
    return PeftModel.from_pretrained(base, job.out / "adapter")


@pytest.mark.parametrize("kind", KINDS)
def test_a_method_lowers_the_loss_and_reloads(
    kind: str, tiny_model: Path, biased_model: Path, tmp_path: Path, trained: list[tuple[Any, float]]
) -> None:
    base = biased_model if kind == "bitfit" else tiny_model
    job = make_job(tmp_path, base, **(SHORT | KINDS[kind]))
    outcome = perform(job)
    ((model, before),) = trained
    assert outcome.metrics["validation_loss"].value < 0.99 * before
    assert outcome.notes["trained_dtype"] == "float32"
    assert [item.name for item in job.out.iterdir()] == [output_of(job.params.method)]
    difference = float((logits(reloaded(job)) - logits(model)).abs().max())
    rewritten = kind == "relora" or job.params.initialisation in ("pissa", "olora")
    assert difference <= (REWRITTEN if rewritten else EXACT)


EACH = {
    "q": (64, 64),
    "k": (64, 32),
    "v": (64, 32),
    "o": (64, 64),
    "gate": (64, 128),
    "up": (64, 128),
    "down": (128, 64),
}
"""Inputs and outputs of the seven matrices of both layers."""
MATRICES = sum(a * b for a, b in EACH.values())


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        # The vocabulary is 348 and shared by input and output; two norms a layer and one after all.
        ("full", 348 * 64 + 2 * (MATRICES + 2 * 64) + 64),
        ("galore", 348 * 64 + 2 * (MATRICES + 2 * 64) + 64),
        ("partial", MATRICES + 2 * 64),
        ("bitfit", 2 * sum(outputs for _, outputs in EACH.values())),
        ("lora", 2 * sum(8 * sum(sides) for sides in EACH.values())),
        ("qlora", 2 * sum(8 * sum(sides) for sides in EACH.values())),
        ("dora", 2 * sum(8 * sum(sides) + sides[1] for sides in EACH.values())),
        ("ia3", 2 * (32 + 32 + 128)),
        ("adapter", 2 * 2 * (2 * 64 * 16 + 16 + 64)),
        ("prompt-tuning", 8 * 64),
        ("prefix-tuning", 8 * 2 * 2 * 32),
        ("p-tuning", 8 * 64 + 3 * (64 * 64 + 64)),
    ],
)
def test_so_many_values_train_and_nothing_else_changes(
    kind: str, values: int, tiny_model: Path, biased_model: Path, tmp_path: Path, trained: list[tuple[Any, float]]
) -> None:
    from executors.models import load_model
    from executors.train.room import _shapes, most_trained

    base = biased_model if kind == "bitfit" else tiny_model
    job = make_job(tmp_path, base, **(SHORT | {"epochs": 0.25} | KINDS[kind]))
    assert perform(job).notes["trainable"] == values
    assert most_trained(_shapes(base), job.params) >= values
    before = load_model(base, "fp32", device="cpu", quantization=job.params.base_quantization or "none")
    now = {plain(name, job.params.method): weight for name, weight in trained[0][0].named_parameters()}
    changed = set()
    for name, weight in before.named_parameters():
        if not now[name].requires_grad:
            assert weight.equal(now[name]), name
        elif not weight.equal(now[name]):
            changed.add(name)
    if kind == "full":
        assert changed == set(now)
    elif kind == "partial":
        assert changed == {name for name in now if name.startswith("model.layers.1.")}
    elif kind == "bitfit":
        assert changed
        assert all(name.endswith(".bias") for name in changed)
    elif kind != "galore":
        assert not changed


@pytest.mark.parametrize("kind", [*METHODS, "eva", "mica"])
def test_a_method_trains_in_bf16(kind: str, tiny_model: Path, biased_model: Path, tmp_path: Path) -> None:
    from executors.train.precision import unsupported

    if unsupported("bf16", "cpu"):
        pytest.skip("this processor has no bfloat16 instructions")
    half = {"precision": "bf16", "base_dtype": "bf16", "epochs": 0.25}
    job = make_job(tmp_path, biased_model if kind == "bitfit" else tiny_model, **(SHORT | KINDS[kind] | half))
    notes = perform(job).notes
    assert notes["trained_dtype"] == ("bfloat16" if kind == "galore" else "float32")
    assert notes["base_dtype"] == ("none" if kind in ("full", "galore") else "bfloat16")


def plain(name: str, method: str) -> str:
    """The name of a tensor in the base, where a library has put the base into something else."""
    inside = "base_model." if method.endswith("tuning") else "base_model.model."
    return name.removeprefix(inside).replace(".base_layer", "")


class Killed(BaseException):
    """Ends a training where no handler looks, as a kill would."""


@pytest.mark.parametrize("kind", [*METHODS, "lora+", "8-bit optimizer", "pissa", "eva", "mica"])
def test_resumed_it_leaves_the_bytes_of_an_undisturbed_run(
    kind: str, tiny_model: Path, biased_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from executors.train.trainer import SupervisedTrainer
    from planner.documents import fingerprint

    base = biased_model if kind == "bitfit" else tiny_model
    whole = make_job(tmp_path / "whole", base, **(SHORT | KINDS[kind]))
    perform(whole)
    step = SupervisedTrainer.training_step
    seen = []

    def die_in_the_sixth_step(*arguments: Any) -> Any:
        seen.append(1)
        if len(seen) > 2 * 5:
            raise Killed
        return step(*arguments)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(SupervisedTrainer, "training_step", die_in_the_sixth_step)
        perform(make_job(tmp_path / "killed", base, **(SHORT | KINDS[kind])))
    again = make_job(tmp_path / "killed", base, **(SHORT | KINDS[kind]))
    assert perform(again).notes["resumed_from"] == 4
    name = output_of(again.params.method)
    assert fingerprint(again.out / name) == fingerprint(whole.out / name)
