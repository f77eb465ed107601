"""Every tool's file is told by its keys, and its settings come out in one vocabulary with their places."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from planner.review.readers import read_configuration, recognise
from planner.review.settings import SETTINGS
from planner.review.source import Source, read_source
from tests.planner.review.configurations import (
    AXOLOTL,
    IN_ORDER,
    LLAMA_FACTORY,
    MERGEKIT,
    PEFT,
    TRL,
    changed,
    written,
)

if TYPE_CHECKING:
    from planner.review.configuration import Configuration


def read(values: dict[str, Any]) -> Configuration:
    return read_configuration(Source("config", Path(), values, {}))


@pytest.mark.parametrize("tool", IN_ORDER)
def test_a_file_is_recognised_by_its_keys_whatever_its_name(tool: str, tmp_path: Path) -> None:
    configuration = read_configuration(read_source(written(tmp_path, IN_ORDER[tool], "x.json")))
    assert configuration.tool == tool
    assert set(configuration.recognised_by) <= IN_ORDER[tool].keys()


@pytest.mark.parametrize(
    "values",
    [
        {"name": "build", "on": ["push"], "jobs": {}},
        {"services": {"web": {"image": "nginx"}}},
        {"compute_environment": "LOCAL_MACHINE", "num_processes": 8, "mixed_precision": "bf16"},
        {"zero_optimization": {"stage": 3}, "bf16": {"enabled": "auto"}},
        {"model": "gpt", "learning_rate": 0.1},
        {"models": ["a"], "dtype": "float16"},
        {},
    ],
)
def test_files_of_other_programs_are_not_recognised(values: dict[str, Any]) -> None:
    assert recognise(values) is None


@pytest.mark.parametrize("tool", [tool for tool in IN_ORDER if tool != "adapt-spec"])
def test_every_setting_is_in_the_vocabulary_and_in_its_form(tool: str) -> None:
    forms = {"flag": bool, "number": int | float, "word": str, "list": list}
    for name, setting in read(IN_ORDER[tool]).settings.items():
        assert isinstance(setting.value, forms[SETTINGS[name].kind]), name


@pytest.mark.parametrize("suffix", ["json", "yaml", "toml"])
def test_a_setting_knows_its_line_and_pointer(suffix: str, tmp_path: Path) -> None:
    texts = {
        "json": '{\n"use_peft": true,\n"lora_r": 8,\n\n"learning_rate": 2e-4, "num_train_epochs": 1}\n',
        "yaml": "# a comment\nuse_peft: true\nlora_r: 8\n\nlearning_rate: 2e-4\nnum_train_epochs: 1\n",
        "toml": "# a comment\nuse_peft = true\nlora_r = 8\n\nlearning_rate = 2e-4\nnum_train_epochs = 1\n",
    }
    path = tmp_path / f"c.{suffix}"
    path.write_text(texts[suffix], encoding="utf-8")
    setting = read_configuration(read_source(path)).settings["learning_rate"]
    assert (setting.value, setting.name, setting.where.line) == (2e-4, "learning_rate", 5)
    assert (setting.where.pointer, setting.where.file) == ("/learning_rate", str(path))


def test_a_number_that_yaml_reads_as_text_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text(yaml.safe_dump(changed(AXOLOTL, learning_rate=None)) + "learning_rate: 2e-5\n", encoding="utf-8")
    assert read_configuration(read_source(path)).value("learning_rate") == 2e-5


def test_what_a_file_leaves_out_takes_the_tools_default_and_says_so() -> None:
    factory = read(changed(LLAMA_FACTORY, lora_rank=None, cutoff_len=None, learning_rate=None))
    found = {name: factory.value(name) for name in ("rank", "alpha", "max_length", "learning_rate")}
    assert found == {"rank": 8, "alpha": 16, "max_length": 2048, "learning_rate": 5e-5}
    assert not any(factory.stated(name) for name in found)
    assert read(changed(AXOLOTL, sequence_len=None, val_set_size=None)).value("max_length") == 512
    trl = read(changed(TRL, learning_rate=None, lora_alpha=None, dtype=None))
    assert (trl.value("learning_rate"), trl.value("alpha"), trl.value("base_dtype")) == (2e-5, 32, "fp32")
    plain = {"per_device_train_batch_size": 8, "num_train_epochs": 3, "weight_decay": 0.01, "output_dir": "o"}
    assert read(plain).value("learning_rate") == 5e-5
    assert read(plain).value("gradient_checkpointing") is False


@pytest.mark.parametrize(
    ("values", "setting", "expected"),
    [
        (changed(TRL, use_peft=None), "method", "full"),
        (changed(TRL, load_in_4bit=True), "method", "qlora"),
        (changed(TRL, beta=0.1), "objective", "preference"),
        (changed(TRL, num_generations=8), "objective", "reinforcement"),
        (changed(TRL, packing=True), "packing_masked", True),
        (changed(TRL, packing=True, attn_implementation="sdpa"), "packing_masked", False),
        (changed(TRL, packing=True, packing_strategy="wrapped"), "packing_masked", False),
        (changed(TRL, completion_only_loss=False), "train_on_prompt", True),
        (changed(TRL, deepspeed="configs/ds_zero3_offload.json"), "distribution", "zero-3"),
        (changed(TRL, deepspeed={"zero_optimization": {"stage": 2}}), "distribution", "zero-2"),
        (changed(TRL, warmup_steps=0.1), "warmup_ratio", 0.1),
        (changed(TRL, model_init_kwargs={"use_cache": True}), "use_cache", True),
        (changed(TRL, fp16=True, bf16=None), "bf16", False),
        (changed(AXOLOTL, adapter=None), "method", "full"),
        (changed(AXOLOTL, load_in_8bit=True), "method", "lora-8bit"),
        (changed(AXOLOTL, rl="kto"), "objective", "kto"),
        (changed(AXOLOTL, datasets=[{"path": "a", "type": "completion"}]), "objective", "continued-pretraining"),
        (changed(AXOLOTL, attn_implementation="eager"), "packing_masked", False),
        (changed(AXOLOTL, attn_implementation=None, flash_attention=True), "packing_masked", True),
        (changed(AXOLOTL, fsdp_config={"activation_checkpointing": True}), "distribution", "fsdp"),
        (
            changed(AXOLOTL, gradient_checkpointing=False, fsdp_config={"activation_checkpointing": True}),
            "gradient_checkpointing",
            True,
        ),
        (changed(AXOLOTL, dp_shard_size=4), "distribution", "fsdp"),
        (changed(AXOLOTL, special_tokens={"pad_token": "<pad>"}), "pad_token", "<pad>"),
        (changed(LLAMA_FACTORY, quantization_bit=4), "method", "qlora"),
        (changed(LLAMA_FACTORY, finetuning_type="freeze", freeze_trainable_layers=8), "layers_trained", 8),
        (changed(LLAMA_FACTORY, stage="dpo"), "objective", "preference"),
        (changed(LLAMA_FACTORY, packing=True), "packing_masked", False),
        (changed(LLAMA_FACTORY, neat_packing=True), "packing_masked", True),
        (changed(LLAMA_FACTORY, do_train=None, do_predict=True), "training", False),
        (changed(LLAMA_FACTORY, lora_rank=32), "alpha", 64),
        (changed(LLAMA_FACTORY, deepspeed="examples/deepspeed/ds_z3_offload_config.json"), "offload", "parameters"),
        (PEFT, "method", "lora"),
        (changed(PEFT, use_rslora=True), "rank_scaling", "rslora"),
        (changed(PEFT, peft_type="PROMPT_TUNING", num_virtual_tokens=20), "virtual_tokens", 20),
        (changed(PEFT, lora_alpha=None), "alpha", 8),
        (MERGEKIT, "merge_density", [0.5, 0.5]),
        (changed(MERGEKIT, merge_method="dare_ties"), "merge_method", "dare-ties"),
        (changed(MERGEKIT, out_dtype="float16"), "merge_dtype", "fp16"),
        (
            changed(MERGEKIT, models=None, slices=[{"sources": [{"model": "a"}, {"model": "b"}, {"model": "c"}]}]),
            "merge_sources",
            ["a", "b", "c"],
        ),
        (
            changed(MERGEKIT, parameters={"t": [{"filter": "mlp", "value": [0, 0.5]}, {"value": 1.5}]}),
            "merge_t",
            [0.0, 0.5, 1.5],
        ),
    ],
)
def test_a_tools_own_words_come_out_in_ours(values: dict[str, Any], setting: str, expected: object) -> None:
    assert read(values).value(setting) == expected


def test_a_value_of_the_wrong_form_is_a_finding_at_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, changed(TRL, learning_rate="fast"))
    (finding,) = read_configuration(read_source(path)).findings
    assert finding.code == "CONF031"
    assert finding.message == "`learning_rate` is `fast`, which is not a number."
    assert finding.where.line == 11


@pytest.mark.parametrize("value", ["${LR}", "{{ lr }}", "auto"])
def test_a_value_that_is_put_in_later_is_unknown_and_not_wrong(value: str) -> None:
    configuration = read(changed(TRL, learning_rate=value))
    assert not configuration.findings
    assert configuration.value("learning_rate") is None


def test_a_misspelt_key_is_a_note_with_the_name_that_is_meant() -> None:
    configuration = read(changed(AXOLOTL, gradient_checkpointing=None, gradient_checkpointting=True))
    (finding,) = configuration.findings
    assert (finding.code, finding.severity) == ("CONF032", "note")
    assert "`gradient_checkpointing`" in finding.message


def test_an_access_token_is_noticed_and_not_kept() -> None:
    configuration = read(changed(TRL, hub_token="hf_" + "a1B2" * 9))
    assert configuration.value("secret") == "hub_token"
    assert "a1B2" not in str(configuration.settings)
