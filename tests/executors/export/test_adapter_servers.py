"""One base with many adapters, as vLLM and LoRAX load them: every word of the command, and what they cannot load."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from executors.account import account
from executors.export.adapter_servers import LORAX_IMAGE
from executors.export.cache import VLLM
from executors.export.finished import finished
from executors.export.results import export_result
from planner.documents import InputError
from tests.executors.export.runs import finished_run, make_lora, run_of, summed_run
from tests.executors.tiny import make_tiny_model

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")]

# From vllm/engine/arg_utils.py, config/lora.py and config/cache.py of vLLM 0.33.0.
VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
VLLM_CACHES = (
    "auto", "float16", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "int4_per_token_head",
    "int8_per_token_head", "fp8_per_token_head", "nvfp4",
)  # fmt: skip
# From the launcher of LoRAX 0.12 (launcher/src/main.rs).
LORAX_WORDS = ("--model-id", "--max-input-length", "--max-total-tokens")


def vllm_words(command: str) -> dict[str, Any]:
    """The command as vLLM's own parser would read it; an unknown word or value ends the test."""
    words = shlex.split(command)
    assert words[:2] == ["vllm", "serve"]
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("model_tag")
    parser.add_argument("--served-model-name", nargs="+")
    parser.add_argument("--enable-lora", action="store_true")
    parser.add_argument("--max-lora-rank", type=int, choices=VLLM_RANKS)
    parser.add_argument("--max-loras", type=int)
    parser.add_argument("--max-cpu-loras", type=int)
    parser.add_argument("--kv-cache-dtype", choices=VLLM_CACHES)
    parser.add_argument("--lora-modules", nargs="+")
    found = vars(parser.parse_args(words[2:]))
    assert 1 <= found["max_loras"] <= found["max_cpu_loras"]
    # With a comma it would be read as JSON.
    assert all("," not in module and module.count("=") == 1 for module in found["lora_modules"])
    return found


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tenants")
    one = finished_run(folder / "one", "tenant-one", seed=1)
    two = finished_run(folder / "two", "tenant-two", seed=2, merged=False, base=folder / "one" / "base")
    return one, two


@pytest.mark.parametrize("words", VLLM.values())
def test_every_precision_of_the_cache_is_one_of_vllm(words: tuple[str, str]) -> None:
    assert words[0] == "--kv-cache-dtype"
    assert words[1] in VLLM_CACHES


def test_many_adapters_stand_on_one_base_in_vllm(tenants: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    export = export_result([run_of(plan) for plan in tenants], "vllm", out)
    words = vllm_words(export.parts[0].command)
    assert words | {"lora_modules": None} == {
        "model_tag": "base", "served_model_name": ["tiny/base"], "enable_lora": True, "max_lora_rank": 8,
        "max_loras": 2, "max_cpu_loras": 8, "kv_cache_dtype": None, "lora_modules": None,
    }  # fmt: skip
    named = dict(module.split("=") for module in words["lora_modules"])
    assert set(named) == {"tenant-one", "tenant-two"}
    for folder in named.values():
        config = json.loads((out / folder / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == "tiny/base"
        assert (out / folder / "adapter_model.safetensors").is_file()
    assert (out / "base" / "config.json").is_file()
    assert os.access(out / "serve.sh", os.X_OK)
    assert subprocess.run(["/bin/sh", "-n", out / "serve.sh"], check=False).returncode == 0


def test_a_sum_of_adapters_is_served_as_one_and_its_card_names_the_terms_of_every_part(
    tenants: tuple[Path, Path], tmp_path: Path
) -> None:
    base = tenants[0].parent / "base"
    parts = (make_lora(base, tmp_path / "one", seed=3), make_lora(base, tmp_path / "two", seed=4))
    plan = summed_run(tmp_path / "both", parts, base)
    export = export_result([run_of(plan), run_of(tenants[1])], "vllm", tmp_path / "out")
    assert (tmp_path / "out" / "adapters" / "both" / "adapter_model.safetensors").is_file()
    assert "both=adapters/both" in export.parts[0].command
    card = (tmp_path / "out" / "adapters" / "both" / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    assert (yaml.safe_load(front)["license"], yaml.safe_load(front)["base_model"]) == ("other", "tiny/base")
    assert "| two | mit |" in body
    assert "| tiny/base | apache-2.0 |" in body
    run = run_of(plan)
    assert run.report is not None
    stored = account(run.plan, run.report, run.state).storage[0]
    assert (stored.tenants, stored.merged_bytes, stored.shared_bytes > 1000) == (1, 1000, True)


def test_a_base_of_the_servers_own_is_not_copied(tenants: tuple[Path, Path], tmp_path: Path) -> None:
    export = export_result([run_of(tenants[1])], "vllm", tmp_path / "out", base="org/base")
    assert "vllm serve org/base" in export.parts[0].command
    assert not (tmp_path / "out" / "base").exists()


def test_lorax_is_told_each_adapter_by_request(tenants: tuple[Path, Path], tmp_path: Path) -> None:
    export = export_result([run_of(plan) for plan in tenants], "lorax", tmp_path / "out")
    request = json.loads((tmp_path / "out" / "request-tenant-two.json").read_text())
    assert request["parameters"] == {
        "adapter_id": "/data/adapters/tenant-two", "adapter_source": "local", "do_sample": False, "max_new_tokens": 8,
    }  # fmt: skip
    words = shlex.split(export.parts[0].command)
    told = words[words.index(LORAX_IMAGE) + 1 :]
    assert dict(zip(told[::2], told[1::2], strict=True)) == dict(
        zip(LORAX_WORDS, ("/data/base", "256", "264"), strict=True)
    )
    # Another name than the server's would be looked up on a hub.
    config = json.loads((tmp_path / "out" / "adapters" / "tenant-two" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "/data/base"


@pytest.mark.parametrize(
    ("known", "told"),
    [({"llama": ("q_proj", "v_proj")}, "down_proj, gate_proj, .* passes over"), ({}, "does not list")],
)
def test_lorax_is_not_given_factors_that_it_would_pass_over(
    tenants: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: dict[str, Any], told: str
) -> None:
    monkeypatch.setattr("executors.export.adapter_servers.LORAX_MODULES", known)
    with pytest.raises(InputError, match=told):
        export_result([run_of(tenants[1])], "lorax", tmp_path / "out")


def test_an_adapter_on_stretched_positions_is_not_served_on_a_base_without(tmp_path: Path) -> None:
    plan = finished_run(tmp_path / "one", merged=False)
    adapter = finished(run_of(plan)).adapter
    assert adapter is not None
    rope = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 10000.0}
    (adapter.folder / "config.json").write_text(json.dumps({"rope_parameters": rope, "max_position_embeddings": 2048}))
    for server in ("vllm", "lorax"):
        with pytest.raises(InputError, match="stretched positions"):
            export_result([run_of(plan)], server, tmp_path / server)


@pytest.mark.parametrize(
    ("lora", "word"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "whole modules"),
        ({"rank_pattern": {"q_proj": 2}}, "differ by layer"),
        ({"trainable_token_indices": [5, 6]}, "new tokens"),
        ({"bias": "all"}, "biases"),
    ],
)
def test_what_a_server_cannot_load_is_refused(tmp_path: Path, lora: dict[str, object], word: str) -> None:
    plan = finished_run(tmp_path / "one", merged=False, **lora)
    with pytest.raises(InputError, match=word):
        export_result([run_of(plan)], "vllm", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_adapters_of_different_bases_are_refused_by_content(tenants: tuple[Path, Path], tmp_path: Path) -> None:
    base = make_tiny_model(tmp_path / "other", seed=5)
    other = finished_run(tmp_path / "three", "tenant-three", merged=False, base=base)
    with pytest.raises(InputError, match="different bases"):
        export_result([run_of(tenants[0]), run_of(other)], "vllm", tmp_path / "out")
