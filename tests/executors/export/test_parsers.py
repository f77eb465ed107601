"""Exports are read by the tools that they are for: trl and the openai client here, the others where they are."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic import TypeAdapter

from executors.contract import Job
from executors.export.openai_upload import render as upload
from executors.export.recipes import RECIPES, export_recipe
from executors.export.trainings import trainings
from executors.prompt.document import make_prompt, write_prompt
from executors.train import Train, TrainParams
from planner.documents import Pin, fingerprint
from tests.executors import tiny
from tests.executors.export.cases import INSTRUCTION, LOW_RANK, METHODS, training_sources
from tests.executors.export.rendering import possible
from tests.executors.tiny import make_tiny_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from executors.sources import Sources

# The name that all versions of transformers know is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing. is deprecated:FutureWarning")
IGNORED = -100
# A machine without an accelerator must say so before it may ask for bf16.
HERE: dict[str, Any] = {"use_cpu": True}


def export(folder: Path, target: str, case: str, **more: Any) -> Path:
    out = folder / "out"
    export_recipe(training_sources(folder, case, **more), target, out)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in possible("trl") if case != "head"])
def test_trl_parses_every_value(tmp_path: Path, case: str) -> None:
    """Each setting arrives in one of trl's own argument classes as it was written."""
    from trl import DPOConfig, KTOConfig, ModelConfig, ScriptArguments, SFTConfig, TrlParser

    file = export(tmp_path, "trl", case) / "trl.yaml"
    settings = yaml.safe_load(file.read_text()) | HERE
    settings.pop("deepspeed", None)  # it is asked for at once, and installed nowhere here
    file.write_text(yaml.safe_dump(settings))
    arguments = {"dpo": DPOConfig, "kto": KTOConfig}.get(case, SFTConfig)
    parser = TrlParser((ScriptArguments, arguments, ModelConfig))
    parsed = parser.parse_args_and_config(["--config", str(file)], fail_with_unknown_args=True)
    for name, value in settings.items():
        [holder] = [each for each in parsed if hasattr(each, name)][:1]
        found = getattr(holder, name)
        expected = value[0] if name == "lora_target_modules" and len(value) == 1 else value
        assert getattr(found, "value", found) == ([] if name == "report_to" else expected), name


@pytest.mark.slow
@pytest.mark.parametrize("case", ["kto", "lora", "partial"])
def test_trl_trains_what_was_exported(tmp_path: Path, case: str) -> None:
    """On a tiny model, by the command of the export."""
    base = make_tiny_model(tmp_path / "base")
    pin = Pin(kind="model", path="base", id="tiny", digest=fingerprint(base)[0])
    more = {"precision": "fp32", "base_dtype": "fp32", "epochs": 1.0, "optimizer": "adamw"}
    if case == "partial":
        more["layers_trained"] = 1
    if case == "kto":
        more |= {"method": "lora", "base_quantization": None}
    out = export(tmp_path, "trl", case, base=pin, **more)
    file = out / "trl.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | HERE))
    script = out / "train.py"
    command = [str(script)] if script.exists() else ["-m", "trl.cli.main", "kto" if case == "kto" else "sft"]
    environment = os.environ | {"HF_HOME": str(tmp_path / "hf"), "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
    words = [sys.executable, *command, "--config", "trl.yaml"]
    run = subprocess.run(words, cwd=out, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    left = {path.name for path in (out / "output").iterdir()}
    assert left & {"adapter_model.safetensors", "model.safetensors"}


@pytest.mark.slow
@pytest.mark.parametrize("chat", [True, False])
def test_trl_learns_the_tokens_that_adapt_learns(tmp_path: Path, *, chat: bool) -> None:
    """The rows as trl reads them are prompt, answer and end as `executors.train` reads them."""
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    from executors.data import read_rows
    from executors.export.trainings import _prompt
    from executors.models import load_tokenizer
    from executors.prompt.render import completion_ids, prompt_ids

    base = make_tiny_model(tmp_path / "base", chat=chat)
    pin = Pin(kind="model", path="base", id="tiny", digest=fingerprint(base)[0])
    out = export(tmp_path, "trl", "lora", base=pin, chat=chat)
    rows = load_dataset(str(out / "data"), split="train", cache_dir=str(tmp_path / "cache"))
    settings = SFTConfig(
        output_dir=str(tmp_path / "o"), completion_only_loss=True, max_length=256, bf16=False, report_to="none", **HERE
    )
    model = AutoModelForCausalLM.from_pretrained(base)
    trainer = SFTTrainer(model, args=settings, train_dataset=rows, processing_class=load_tokenizer(base))
    sources = training_sources(tmp_path, "lora", base=pin, chat=chat)
    [training] = trainings(sources)
    prompt = _prompt(training.step.inputs["prompt"], sources)
    tokenizer = load_tokenizer(base)
    for row, theirs in zip(read_rows(tmp_path / "train.jsonl"), trainer.train_dataset, strict=True):
        asked, answered = prompt_ids(tokenizer, prompt, row), completion_ids(tokenizer, row.completion or "")
        count = len(asked) + len(answered)
        assert theirs["input_ids"][:count] == [*asked, *answered]
        # A template may write a line break after the end of the turn, which nobody ever generates.
        assert len(theirs["input_ids"]) <= count + 1
        learned = [label != IGNORED for label in theirs["labels"][:count]]
        assert learned == [False] * len(asked) + [True] * len(answered)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["dpo", "full"])
def test_trl_has_the_losses_of_our_own_training(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step, on rows that all share a batch; without the line break that templates write behind an answer."""
    from datasets import load_dataset
    from trl import DPOConfig, DPOTrainer, ModelConfig, ScriptArguments, SFTConfig, SFTTrainer, TrlParser

    monkeypatch.setattr(tiny, "TEMPLATE", tiny.TEMPLATE.replace("'<|im_end|>\n'", "'<|im_end|>'"))
    base = make_tiny_model(tmp_path / "base")
    pin = Pin(kind="model", path="base", id="tiny", digest=fingerprint(base)[0])
    own = dict.fromkeys((*LOW_RANK, "share_prefix")) if case == "dpo" else {"learn_turns": "last"}
    more: dict[str, Any] = {
        "method": "full", "precision": "fp32", "base_dtype": "fp32", "micro_batch": 12, "accumulation": 1,
        "learning_rate": 1e-3, "length_grouped": False, "gradient_checkpointing": False, "evaluations_per_epoch": 0,
        "early_stopping_patience": None,
    }  # fmt: skip
    sources = training_sources(tmp_path, case, base=pin, **(more | own))
    out = tmp_path / "out"
    export_recipe(sources, "trl", out)
    file, here = out / "trl.yaml", {"output_dir": str(out / "o"), "logging_steps": 1, "save_strategy": "no"}
    told = yaml.safe_load(file.read_text()) | HERE | here
    file.write_text(yaml.safe_dump(told))
    kind, trainer = (DPOConfig, DPOTrainer) if case == "dpo" else (SFTConfig, SFTTrainer)
    parser = TrlParser((ScriptArguments, kind, ModelConfig))
    _, arguments, model = parser.parse_args_and_config(["--config", str(file)])
    rows = load_dataset(str(out / told["dataset_name"]), split="train", cache_dir=str(tmp_path / "cache"))
    theirs = trainer(model.model_name_or_path, args=arguments, train_dataset=rows)
    theirs.train()
    losses = [entry["loss"] for entry in theirs.state.log_history if "loss" in entry]
    seen: list[Any] = []
    train_here(sources, tmp_path, seen.append)
    assert len(losses) == 3
    # The last event tells the mean of all steps.
    assert seen[-1].loss == pytest.approx(sum(losses) / 3, abs=2e-4)


def train_here(sources: Sources, folder: Path, tell: Callable[[Any], None]) -> None:
    """The plan's own training of a case."""
    step = sources.plan.step("train/one")
    write_prompt(make_prompt(INSTRUCTION), folder / "prompt.json")
    found = {name: sources.find(source) for name, source in step.inputs.items() if name != "prompt"}
    inputs = {name: path for name, path in found.items() if path is not None} | {"prompt": folder / "prompt.json"}
    for name in ("ours", "checkpoints"):
        (folder / name).mkdir()
    params = TrainParams.model_validate(dict(step.params))
    Train().perform(Job(step.address, params, inputs, folder / "ours", folder / "checkpoints", tell, folder / "made"))


@pytest.mark.parametrize("case", ["dpo", "full", "lora", "qlora"])
def test_the_openai_client_takes_the_request(tmp_path: Path, case: str) -> None:
    from openai.types.fine_tuning.job_create_params import JobCreateParams

    [training] = trainings(training_sources(tmp_path, case))
    request = json.loads(upload(training).files["request.json"])
    checked: Any = TypeAdapter(JobCreateParams).validate_python(request)
    assert checked["method"]["type"] == ("dpo" if case == "dpo" else "supervised")
    kind = request["method"]["type"]
    assert request["method"][kind]["hyperparameters"]["batch_size"] == 8


@pytest.mark.parametrize("case", [case for case in METHODS if case in possible("axolotl")])
def test_axolotl_parses_every_value(tmp_path: Path, case: str) -> None:
    """Where axolotl is installed, which has an environment of its own."""
    config = pytest.importorskip("axolotl.utils.config", reason="axolotl is not installed")
    from axolotl.utils.dict import DictDefault

    raw = yaml.safe_load((export(tmp_path, "axolotl", case) / "axolotl.yml").read_text())
    device = {"bf16": True, "fp8": False, "n_gpu": 1, "compute_capability": "sm_89", "n_node": 1, "tf32": True}
    found = config.validate_config(DictDefault(raw), device, {"torch_version": "2.11.0"})
    for name, value in raw.items():
        if isinstance(value, dict):
            assert value.items() <= dict(found.get(name)).items(), name
        elif name not in ("datasets", "test_datasets"):
            assert found.get(name) == value, name


@pytest.mark.parametrize("case", [case for case in METHODS if case in possible("llama-factory")])
def test_llama_factory_parses_every_value(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where LLaMA-Factory is installed, which has an environment of its own."""
    monkeypatch.setenv("DISABLE_VERSION_CHECK", "1")
    parser = pytest.importorskip("llamafactory.hparams.parser", reason="LLaMA-Factory is not installed")
    monkeypatch.setattr(parser, "is_torch_bf16_gpu_available", lambda: True)
    raw = yaml.safe_load((export(tmp_path, "llama-factory", case) / "llama_factory.yaml").read_text())
    raw.pop("deepspeed", None)  # it is asked for at once, and installed nowhere here
    parsed = parser.get_train_args({**raw, **HERE})
    for name, value in raw.items():
        [holder, *_] = [each for each in parsed if hasattr(each, name)]
        found = getattr(holder, name)
        found = ",".join(found) if isinstance(found, list) and name != "report_to" else getattr(found, "value", found)
        if name == "cutoff_len" and raw["packing"]:
            found += 1  # room for a mark between rows
        assert name in ("report_to", "use_cpu") or found == value, name


@pytest.mark.parametrize("case", possible("unsloth"))
def test_unsloth_and_trl_know_every_keyword_of_the_script(tmp_path: Path, case: str) -> None:
    """Those of trl always; those of unsloth where it is installed: its source is read, since importing takes a GPU."""
    from trl import DPOConfig, SFTConfig

    told = script_values((export(tmp_path, "unsloth", case) / "train.py").read_text())
    arguments = DPOConfig if case == "dpo" else SFTConfig
    assert set(told["ARGUMENTS"]) <= {field.name for field in dataclasses.fields(arguments)}
    spec = importlib.util.find_spec("unsloth")
    if spec is None or spec.origin is None:
        pytest.skip("unsloth is not installed")
    models = Path(spec.origin).parent / "models"
    assert set(told["MODEL"]) <= keywords(models / "loader.py", "FastLanguageModel", "from_pretrained")
    assert set(told["ADAPTER"]) <= keywords(models / "llama.py", "FastLlamaModel", "get_peft_model")


def script_values(script: str) -> dict[str, Any]:
    """The constants at the top of a script."""
    found = {}
    for node in ast.parse(script).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def keywords(file: Path, kind: str, function: str) -> set[str]:
    """The names that a function of a class takes, by its source."""
    [holder] = [
        node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef) and node.name == kind
    ]
    [found] = [node for node in holder.body if isinstance(node, ast.FunctionDef) and node.name == function]
    return {argument.arg for argument in (*found.args.args, *found.args.kwonlyargs)}


def test_every_target_is_covered() -> None:
    assert set(RECIPES) == {"axolotl", "llama-factory", "openai", "trl", "unsloth"}
