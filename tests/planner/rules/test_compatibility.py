"""What combines with what, over the whole plan and before anything runs: bases, adapters, merges, formats, servers."""

from __future__ import annotations

from typing import Any

import pytest

from planner.documents import InputError, Plan
from planner.planning import plan
from tests.planner.specs_after_training import finetuning, merging, sources

CHAT: dict[str, Any] = {"task__kind": "chat", "task__output": {"format": "text"}}
ROUNDED = [{"id": "x/y", "params": 7_000_000_000, "dtype": "int4"}]
MANY = {"task__tenants": 20}


def pinned(**overrides: Any) -> dict[str, Any]:
    return {"overrides": overrides}


def answers(document: Plan) -> dict[str, Any]:
    return {decision.question: decision.answer for decision in document.decisions}


def codes(document: Plan) -> set[str]:
    return {finding.code for finding in document.warnings}


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        pytest.param(finetuning(**pinned(method="qlora", merge_into="quantized"), **CHAT), "MIN001", id="into 4 bits"),
        pytest.param(
            finetuning(models=ROUNDED, **pinned(quantization="gptq", serving="adapters"), **CHAT), "QNT007",
            id="rounded twice",
        ),
        pytest.param(finetuning(**pinned(method="prompt-tuning", serving="merged"), **CHAT), "SRV003", id="prompt"),
        pytest.param(finetuning(models=ROUNDED, **pinned(serving="merged"), **CHAT), "SRV004", id="onto rounded"),
        pytest.param(finetuning(**MANY, **pinned(serving="merged"), **CHAT), "SRV001", id="a copy for each tenant"),
        pytest.param(finetuning(**pinned(method="full", serving="adapters"), **CHAT), "SRV002", id="no adapter"),
        pytest.param(finetuning(**pinned(quantization="gptq", server="llama-cpp"), **CHAT), "SVR002", id="no GGUF"),
        pytest.param(finetuning(**pinned(server="llama-cpp"), **CHAT), "SVR002", id="a folder in llama.cpp"),
        pytest.param(
            finetuning(**pinned(method="p-tuning", quantization="gguf", server="llama-cpp"), **CHAT), "SVR006",
            id="soft prompts in llama.cpp",
        ),
        pytest.param(finetuning(**MANY, **pinned(method="dora", server="vllm"), **CHAT), "SVR003", id="DoRA in vLLM"),
        pytest.param(
            finetuning(**MANY, **pinned(objective="classification-head", server="vllm")), "SVR004", id="heads in vLLM"
        ),
        pytest.param(
            finetuning(**MANY, **pinned(objective="long-context", scaling="yarn", server="vllm"), **CHAT), "SVR005",
            id="stretched adapters in vLLM",
        ),
        pytest.param(
            finetuning(**pinned(objective="classification-head", quantization="gguf")), "QNT008", id="head in GGUF"
        ),
        pytest.param(merging(sources("a", "b"), **pinned(merge_result="adapter")), "MRS001", id="no sum of factors"),
    ],
)  # fmt: skip
def test_what_does_not_combine_is_refused_by_its_rule(spec: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        plan(spec)


@pytest.mark.parametrize(
    ("spec", "warning"),
    [
        pytest.param(finetuning(**pinned(method="qlora", serving="merged"), **CHAT), "SVW140", id="4-bit base merged"),
        pytest.param(finetuning(models=ROUNDED, **CHAT), "SVW139", id="only rounded weights"),
        pytest.param(finetuning(**MANY, **pinned(quantization="gptq"), **CHAT), "SVW147", id="adapters on rounded"),
        pytest.param(finetuning(**MANY, **pinned(rank=64), **CHAT), "SVW136", id="rank above the default"),
        pytest.param(finetuning(**MANY, **pinned(rank=1024), **CHAT), "SVW137", id="rank above all"),
        pytest.param(
            finetuning(**MANY, **pinned(rank=512, initialisation="pissa"), **CHAT), "SVW137", id="rank doubled"
        ),
        pytest.param(finetuning(**MANY, **pinned(objective="infilling"), **CHAT), "SVW154", id="new tokens"),
        pytest.param(finetuning(**MANY, **pinned(method="relora"), **CHAT), "SVW134", id="a model each"),
        pytest.param(
            finetuning(**pinned(quantization="gguf", objective="long-context", scaling="dynamic"), **CHAT), "SVW152",
            id="dynamic positions in GGUF",
        ),
        pytest.param(finetuning(**MANY, **pinned(method="dora"), **CHAT), "SVW135", id="DoRA"),
        pytest.param(
            finetuning(**MANY, **pinned(objective="long-context", scaling="yarn"), **CHAT), "SVW153", id="stretched"
        ),
        pytest.param(
            merging(sources("a", "b", kind="adapter", rank=16), method="concatenation"), "MGW149", id="ranks add up"
        ),
        pytest.param(merging([*sources("a"), *sources("b", base="o7")], method="ties"), "WRN111", id="two bases"),
        pytest.param(
            merging(sources("a", license="mit") + sources("b", license="apache-2.0")), "LIW123", id="two licences"
        ),
        pytest.param(
            merging(sources("a", license="cc-by-nc-4.0"), "remove", constraints={"license_use": "commercial"}),
            "LIW120", id="a licence that forbids",
        ),
        pytest.param(
            merging(sources("meta-llama/Llama-3.1-8B", "Qwen/Qwen2.5-7B", base="b7"), "average"), "MGW107",
            id="two vocabularies",
        ),
    ],
)  # fmt: skip
def test_what_combines_at_a_price_is_told_before_anything_runs(spec: dict[str, Any], warning: str) -> None:
    assert warning in codes(plan(spec))


def test_a_licence_that_forbids_stops_the_plan() -> None:
    parts = sources("a", license="cc-by-nc-4.0") + sources("b", license="mit")
    assert not plan(merging(parts, constraints={"license_use": "commercial"})).status.applyable
    assert plan(merging(parts, constraints={"license_use": "research"})).status.applyable


def test_a_server_is_chosen_that_loads_what_is_left() -> None:
    """Plain LoRA for many in vLLM; what is more than low-rank factors where everything loads."""
    servers = {
        name: answers(plan(finetuning(**MANY, **more)))["server"]
        for name, more in {
            "lora": CHAT,
            "dora": pinned(method="dora") | CHAT,
            "head": pinned(objective="classification-head"),
        }.items()
    }
    assert servers == {"lora": "vllm", "dora": "transformers", "head": "transformers"}


@pytest.mark.parametrize(("dtype", "kept"), [("fp16", "fp16"), ("fp32", "fp32"), ("bf16", "bf16")])
def test_a_merge_keeps_the_dtype_of_its_parts(dtype: str, kept: str) -> None:
    models = [{"id": name, "params": 7_000_000_000, "dtype": dtype} for name in ("b7", "a", "b")]
    assert answers(plan(merging(sources("a", "b"), models=models)))["merge_dtype"] == kept


def test_an_adapter_of_another_base_is_told_by_content(tmp_path: Any) -> None:
    """Names may be equal and contents not: the card of a training here says what it was trained on."""
    from planner.documents import fingerprint
    from tests.executors.tiny import make_tiny_model

    base = make_tiny_model(tmp_path / "base")
    for name, digest in (("own", fingerprint(base)[0]), ("other", "sha256:" + "0" * 64)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4}')
        (tmp_path / name / "README.md").write_text(f"# Adapter\n\nBase: a model with the digest `{digest}`. Its...\n")
    parts = [{"id": name, "base": "tiny/base", "path": name} for name in ("own", "other")]
    spec = merging(parts, models=[{"id": "tiny/base", "path": "base"}])
    told = [finding for finding in plan(spec, folder=tmp_path).warnings if finding.code == "MODEL041"]
    assert [finding.where.pointer for finding in told] == ["/merge/sources/1/path"]
    assert "0000" in told[0].message
