"""Serving and release: what is served by what, and what is checked, kept and rolled out when weights change."""

from __future__ import annotations

from typing import Any

import pytest

from planner.documents import InputError, Plan
from planner.planning import plan
from tests.planner.specs import spec
from tests.planner.specs_after_training import finetuning, merging, sources

CHAT = {"task__kind": "chat", "task__output": {"format": "text"}}


def answers(document: Plan) -> dict[str, Any]:
    return {decision.question: decision.answer for decision in document.decisions}


@pytest.mark.parametrize("model", ["meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen2.5-3B-Instruct"])
@pytest.mark.parametrize("hardware", ["h100", "a100-80gb", "m2-max"])
@pytest.mark.parametrize("deployment", ["cloud", "device"])
def test_more_memory_for_serving_never_yields_fewer_bits(model: str, hardware: str, deployment: str) -> None:
    bits = []
    for memory in (2, 4, 6, 8, 10, 14, 20, 40):
        constraints = {"max_serving_memory_gb": memory, "deployment": deployment}
        document = plan(finetuning(models=[{"id": model}], hardware=hardware, constraints=constraints))
        bits.append(answers(document)["quantization_bits"])
    assert bits == sorted(bits)
    assert bits[0] < bits[-1]


def test_nothing_is_rolled_out_when_no_weights_change() -> None:
    found = answers(plan(spec(data={"test": {"examples": 200}}, **CHAT)))
    assert (found["rollout"], found["new_base_policy"], found["after_checks"]) == ("none", "none", [])
    assert (found["export"], found["serving"], found["versioned"]) == ("none", "base", ["prompts"])


def test_new_weights_are_checked_beyond_their_metric_and_reach_a_few_users_first() -> None:
    found = answers(plan(finetuning(task__other_tasks=[{"name": "orders"}], **CHAT)))
    assert {"task-metric", "regression", "safety-probes", "bias-probes", "equivalence"} <= {*found["after_checks"]}
    assert (found["rollout"], found["new_base_policy"]) == ("canary", "measure-first")
    assert {"data", "adapters", "models", "prompts"} == {*found["versioned"]}


def test_answers_that_must_parse_are_checked_for_it() -> None:
    form = {"task__kind": "extraction", "task__output": {"format": "json"}}
    assert "format-validity" in answers(plan(finetuning(**form)))["after_checks"]
    assert "format-validity" not in answers(plan(finetuning(**CHAT)))["after_checks"]


def test_a_file_on_a_device_is_staged_and_read_by_llama_cpp() -> None:
    constraints = {"deployment": "device", "max_serving_memory_gb": 6}
    found = answers(plan(finetuning(constraints=constraints, **CHAT)))
    assert (found["rollout"], found["server"], found["export"]) == ("staged", "llama-cpp", "gguf")


def test_a_classifier_on_a_device_stays_in_a_format_that_knows_its_head() -> None:
    constraints = {"deployment": "device", "max_serving_memory_gb": 6}
    found = answers(plan(finetuning(constraints=constraints)))
    assert (found["objective"], found["server"], found["export"]) == ("classification-head", "transformers", "folder")


def test_adapters_of_many_tenants_are_served_together() -> None:
    document = plan(finetuning(task__tenants=100, **CHAT))
    found = answers(document)
    assert (found["serving"], found["server"], found["export"]) == ("adapters", "vllm", "adapter-folder")
    facts = {fact.name: fact.value for fact in document.facts}
    # 16 GB, and 41.9 million values of rank 16 for each tenant as they are saved, in 32 bits.
    assert facts["adapter_bytes"] == 4 * 41_943_040
    assert facts["storage_saving"] == pytest.approx(100 * 16.06 / (16.06 + 100 * 0.1678), rel=0.01)
    assert found["storage"] == facts["shared_base_bytes"] < facts["merged_copies_bytes"]
    with pytest.raises(InputError, match="SRV001"):
        plan(finetuning(task__tenants=100, overrides={"serving": "merged"}))


@pytest.mark.parametrize("method", ["prompt-tuning", "prefix-tuning", "p-tuning", "adapter"])
def test_what_cannot_be_folded_into_the_base_stays_beside_it(method: str) -> None:
    found = answers(plan(finetuning(overrides={"method": method})))
    assert (found["serving"], found["merge_into"], found["server"]) == ("adapters", "none", "transformers")


def test_whole_weights_are_served_as_they_are() -> None:
    found = answers(plan(finetuning(models=[{"id": "Qwen/Qwen2.5-0.5B-Instruct"}], overrides={"method": "full"})))
    assert (found["serving"], found["merge_into"]) == ("merged", "none")


def test_a_rank_above_the_servers_default_is_noted() -> None:
    tenants = {"task__tenants": 20}
    high = {finding.code for finding in plan(finetuning(overrides={"rank": 64}, **tenants)).warnings}
    low = {finding.code for finding in plan(finetuning(overrides={"rank": 8}, **tenants)).warnings}
    assert "SVW136" in high - low


def test_a_merge_is_served_and_released_like_any_new_weights() -> None:
    found = answers(plan(merging(sources("a", "b"), **CHAT)))
    assert (found["serving"], found["rollout"], found["export"]) == ("merged", "canary", "folder")
    assert found["merge_into"] == "none", "no adapter was trained"


def test_a_latency_that_the_weights_cannot_be_read_in_is_told() -> None:
    slow = plan(finetuning(constraints={"latency_ms": 150, "deployment": "cloud"}, hardware="a100-80gb", **CHAT))
    assert "SVW141" in {finding.code for finding in slow.warnings}
    assert answers(slow)["quantization"] == "gptq"
    fast = plan(finetuning(constraints={"latency_ms": 5000, "deployment": "cloud"}, hardware="a100-80gb", **CHAT))
    assert "SVW141" not in {finding.code for finding in fast.warnings}
    assert answers(fast)["quantization"] == "none"
