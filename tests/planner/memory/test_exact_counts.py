"""Parameter counts equal those of transformers and peft on the meta device, exactly."""

from __future__ import annotations

import json
import os
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from planner.memory import KNOWN_TYPES, TrainingSetting, read_architecture, total_parameters, trainable_parameters
from tests.planner.memory.model_types import CASES

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def build(kind: str, fields: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The transformers model on the meta device, and its config as save_pretrained would write it."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(kind, **fields)
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = transformers.AutoModelForCausalLM.from_config(config)
        except ValueError:
            model = transformers.AutoModelForMaskedLM.from_config(config)
    return model, {"model_type": kind, **json.loads(config.to_json_string())}


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_total_is_that_of_transformers(kind: str, fields: dict[str, Any]) -> None:
    model, config = build(kind, fields)
    assert total_parameters(read_architecture(config)) == sum(p.numel() for p in model.parameters())


def test_every_known_type_is_checked_and_there_are_more_than_thirty() -> None:
    assert {kind for kind, _ in CASES} == set(KNOWN_TYPES)
    assert len(KNOWN_TYPES) >= 30


PEFT_KINDS = (
    "llama",
    "qwen3",
    "gemma2",
    "phi3",
    "gpt2",
    "gpt_neox",
    "mixtral",
    "qwen2_moe",
    "qwen3_moe",
    "olmoe",
    "deepseek_v2",
    "deepseek_v3",
    "gpt_oss",
)
METHODS: list[tuple[str, Callable[[Any], Any], dict[str, Any]]] = [
    ("lora", lambda p: p.LoraConfig(r=4, target_modules="all-linear"), {"rank": 4}),
    ("lora", lambda p: p.LoraConfig(r=4, target_modules="all-linear", modules_to_save=["lm_head"]),
     {"rank": 4, "modules_to_save": ("lm_head",)}),
    ("prompt-tuning", lambda p: p.PromptTuningConfig(num_virtual_tokens=7), {"virtual_tokens": 7}),
    ("prefix-tuning", lambda p: p.PrefixTuningConfig(num_virtual_tokens=7), {"virtual_tokens": 7}),
    ("p-tuning", lambda p: p.PromptEncoderConfig(num_virtual_tokens=7), {"virtual_tokens": 7}),
]  # fmt: skip


def peft_count(model: Any, settings: Any) -> int:
    peft = pytest.importorskip("peft")
    settings.task_type = "CAUSAL_LM"
    wrapped = peft.get_peft_model(model, settings)
    return sum(p.numel() for p in wrapped.parameters() if p.requires_grad)


@pytest.mark.parametrize("kind", PEFT_KINDS)
@pytest.mark.parametrize(("method", "settings", "fields"), METHODS)
def test_trainable_is_that_of_peft(
    kind: str, method: str, settings: Callable[[Any], Any], fields: dict[str, Any]
) -> None:
    peft = pytest.importorskip("peft")
    model, config = build(kind, next(sizes for name, sizes in CASES if name == kind))
    mine = trainable_parameters(read_architecture(config), TrainingSetting(method=method, **fields))
    assert mine == peft_count(model, settings(peft))


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma2", "phi3", "gpt2", "gpt_neox"])
def test_dora_is_that_of_peft(kind: str) -> None:
    peft = pytest.importorskip("peft")
    model, config = build(kind, next(sizes for name, sizes in CASES if name == kind))
    mine = trainable_parameters(read_architecture(config), TrainingSetting(method="dora", rank=4))
    assert mine == peft_count(model, peft.LoraConfig(r=4, target_modules="all-linear", use_dora=True))


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen3", "gemma2", "gpt2", "gpt_neox", "phi", "opt", "bloom"])
def test_ia3_is_that_of_peft(kind: str) -> None:
    peft = pytest.importorskip("peft")
    model, config = build(kind, next(sizes for name, sizes in CASES if name == kind))
    mine = trainable_parameters(read_architecture(config), TrainingSetting(method="ia3"))
    assert mine == peft_count(model, peft.IA3Config())


@pytest.mark.parametrize(
    "targets", [("q_proj",), ("q_proj", "v_proj"), ("gate_proj", "up_proj", "down_proj"), ("self_attn.o_proj",)]
)
@pytest.mark.parametrize("rank", [1, 8, 64])
def test_lora_on_named_targets_is_that_of_peft(targets: tuple[str, ...], rank: int) -> None:
    peft = pytest.importorskip("peft")
    model, config = build("llama", CASES[0][1])
    mine = trainable_parameters(read_architecture(config), TrainingSetting(method="lora", rank=rank, targets=targets))
    assert mine == peft_count(model, peft.LoraConfig(r=rank, target_modules=list(targets)))


@pytest.mark.parametrize("kind", ["gpt2", "phi", "qwen2", "bert", "opt", "gpt_oss"])
def test_bitfit_is_every_bias(kind: str) -> None:
    model, config = build(kind, next(sizes for name, sizes in CASES if name == kind))
    biases = sum(p.numel() for name, p in model.named_parameters() if name.endswith("bias"))
    assert trainable_parameters(read_architecture(config), TrainingSetting(method="bitfit")) == biases


@pytest.mark.parametrize("kind", ["llama", "qwen3_moe", "deepseek_v3"])
def test_partial_is_the_last_layers(kind: str) -> None:
    model, config = build(kind, next(sizes for name, sizes in CASES if name == kind))
    last = sum(p.numel() for layer in list(model.model.layers)[-2:] for p in layer.parameters())
    assert trainable_parameters(read_architecture(config), TrainingSetting(method="partial", layers_trained=2)) == last


def test_houlsby_adapters_are_two_bottlenecks_a_layer() -> None:
    torch = pytest.importorskip("torch")
    bottleneck = torch.nn.Sequential(torch.nn.Linear(256, 64), torch.nn.ReLU(), torch.nn.Linear(64, 256))
    each = sum(p.numel() for p in bottleneck.parameters())
    architecture = read_architecture({"model_type": "llama", **CASES[0][1]})
    assert trainable_parameters(architecture, TrainingSetting(method="adapter")) == 4 * 2 * each
