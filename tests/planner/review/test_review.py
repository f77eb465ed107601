"""A review: findings with rule, place, value and cure; nothing on what is in order; never a crash."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.documents import Findings, InputError
from planner.review import review
from planner.review.readers import axolotl, llama_factory, mergekit, peft, trl
from tests.planner.review.configurations import (
    AXOLOTL,
    IN_ORDER,
    LLAMA_FACTORY,
    SPEC,
    TRL,
    Values,
    changed,
    written,
)
from tests.planner.review.faults import FAULTS

PUBLISHED = Path(__file__).parents[4] / "shared" / "configs"


def codes(found: Findings) -> set[str]:
    return {finding.code for finding in found.findings}


@pytest.mark.parametrize("tool", [tool for tool in IN_ORDER if tool != "adapt-spec"])
def test_nothing_is_found_in_a_configuration_that_is_in_order(tool: str, tmp_path: Path) -> None:
    assert not review(written(tmp_path, IN_ORDER[tool]), hardware="a100-80gb").findings


@pytest.mark.parametrize(("code", "base", "fault", "options"), FAULTS, ids=lambda item: str(item)[:24])
def test_a_fault_is_found_and_not_without_it(
    code: str, base: Values, fault: Values, options: dict[str, Any], tmp_path: Path
) -> None:
    found = review(written(tmp_path, changed(base, **fault)), **options)
    assert code in codes(found)
    (first, *_) = [finding for finding in found.findings if finding.code == code]
    assert first.cite
    assert first.why
    assert first.fix
    assert first.message.endswith(".")
    clean = review(written(tmp_path, base), hardware="a100-80gb")
    assert code not in codes(clean)


def test_rows_that_are_cut_or_filled_up_are_found(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    row = {"prompt": "word " * 400, "completion": "word " * 400}
    rows.write_text("\n".join(json.dumps(row | {"id": index}) for index in range(20)), encoding="utf-8")
    cut = changed(AXOLOTL, sample_packing=False, sequence_len=512)
    assert "RDA113" in codes(review(written(tmp_path, cut), data=str(rows)))
    filled = changed(AXOLOTL, sample_packing=False, pad_to_sequence_len=True, sequence_len=16384)
    assert "RFA105" in codes(review(written(tmp_path, filled), data=str(rows)))
    packed = changed(AXOLOTL, sequence_len=16384)
    assert not {"RDA113", "RFA105"} & codes(review(written(tmp_path, packed), data=str(rows)))


def test_a_spec_that_nothing_satisfies_is_an_error_with_what_it_needs(tmp_path: Path) -> None:
    spec = changed(SPEC, models=[{"id": "meta-llama/Llama-3.1-70B-Instruct"}], hardware="t4")
    (finding,) = [item for item in review(written(tmp_path, spec)).findings if item.code == "ROW103"]
    assert finding.severity == "error"
    assert "GB" in finding.fix


def test_arguments_of_a_script_are_not_taken_for_full_finetuning(tmp_path: Path) -> None:
    values = changed(TRL, model_name_or_path=None, use_peft=None, lora_r=None, lora_alpha=None)
    assert "RHY101" not in codes(review(written(tmp_path, values), model="Qwen/Qwen2.5-7B"))


@pytest.mark.parametrize(
    "change",
    [
        {"adapter": "qlora", "base_model": "acme/Qwen2.5-7B-NVFP4"},
        {"adapter": "qlora", "base_model": "acme/own", "model_quantization_config": "Mxfp4Config"},
        {"adapter": "qlora", "base_model": "acme/own", "gptq": True},
    ],
)
def test_a_base_that_comes_quantized_need_not_be_loaded_in_four_bits(change: Values, tmp_path: Path) -> None:
    assert "RAD105" not in codes(review(written(tmp_path, changed(AXOLOTL, **change))))


def test_a_finding_says_the_value_the_place_and_the_cure(tmp_path: Path) -> None:
    path = written(tmp_path, changed(LLAMA_FACTORY, finetuning_type="full", lora_rank=None, learning_rate=2e-4))
    (finding,) = [item for item in review(path).findings if item.code == "RHY101"]
    assert "`learning_rate` is 0.0002" in finding.message
    assert finding.fix == "Take about 4.8e-05."
    assert (finding.where.file, finding.where.pointer, finding.where.line) == (str(path), "/learning_rate", 10)


def test_memory_is_estimated_where_the_model_is_known(tmp_path: Path) -> None:
    (file,) = review(written(tmp_path, TRL)).files
    assert file.memory is not None
    assert file.memory.low < file.memory.expected < file.memory.high
    assert 15e9 < file.memory.expected < 60e9
    (unknown,) = review(written(tmp_path, changed(TRL, model_name_or_path="acme/own"))).files
    assert unknown.memory is None
    assert unknown.unknowns == ("memory: the model is not known",)
    (named,) = review(written(tmp_path, changed(TRL, model_name_or_path="acme/own")), model="Qwen/Qwen2.5-7B").files
    assert named.memory is not None


def test_what_does_not_fit_comes_with_the_cheapest_change(tmp_path: Path) -> None:
    path = written(tmp_path, changed(TRL, gradient_checkpointing=False, max_length=8192))
    (finding,) = [item for item in review(path, hardware="a10g").findings if item.code == "RME101"]
    assert finding.fix.startswith("The cheapest change that makes it fit: gradient checkpointing on")
    assert not {code for code in codes(review(path)) if code.startswith("RME1")}, "without hardware nothing is judged"


def test_a_device_that_may_be_too_small_is_a_warning(tmp_path: Path) -> None:
    path = written(tmp_path, TRL)
    (file,) = review(path).files
    assert file.memory is not None
    device = {"name": "L4", "memory_gb": (file.memory.expected + file.memory.high) / 2e9}
    assert codes(review(path, hardware={"devices": [device]})) == {"RME103"}


def test_a_mirror_or_quantized_copy_has_the_shape_of_the_model_it_copies(tmp_path: Path) -> None:
    (file,) = review(written(tmp_path, changed(TRL, model_name_or_path="unsloth/Qwen2.5-7B-Instruct-bnb-4bit"))).files
    assert file.memory is not None
    assert "Qwen/Qwen2.5-7B-Instruct" in file.unknowns[0]


def test_rows_that_stand_in_both_files_are_found(tmp_path: Path) -> None:
    rows = [{"prompt": f"question {index}", "completion": "answer"} for index in range(40)]
    for name, part in (("train.jsonl", rows), ("held.jsonl", rows[:7])):
        (tmp_path / name).write_text("\n".join(json.dumps(row) for row in part), encoding="utf-8")
    values = changed(
        AXOLOTL,
        datasets=[{"path": "train.jsonl", "type": "alpaca"}],
        test_datasets=[{"path": "held.jsonl", "type": "alpaca"}],
        val_set_size=None,
    )
    (finding,) = [item for item in review(written(tmp_path, values)).findings if item.code == "RDA103"]
    assert "shared rows: 7" in finding.message


def test_the_shape_of_the_rows_tells_whether_trl_masks_the_prompt(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    chat, pairs = tmp_path / "chat.jsonl", tmp_path / "pairs.jsonl"
    chat.write_text(json.dumps({"messages": turns}), encoding="utf-8")
    pairs.write_text(json.dumps({"prompt": "hello", "completion": "hi"}), encoding="utf-8")
    path = written(tmp_path, changed(TRL, completion_only_loss=None, dataset_text_field=None, packing=False))
    assert "RDA106" in codes(review(path, data=str(chat)))
    assert "RDA106" not in codes(review(path, data=str(pairs)))


@pytest.mark.parametrize(
    ("train", "test", "shared"),
    [
        ("train", "test", False),
        ("train", "train", True),
        ("train[:90%]", "train[90%:]", False),
        ("train[:90%]", "train[80%:]", True),
        ("train[:20%]", "train[:20%]", True),
    ],
)
def test_slices_of_a_split_overlap_or_do_not(train: str, test: str, shared: bool, tmp_path: Path) -> None:
    values = changed(TRL, dataset_train_split=train, dataset_test_split=test)
    assert ("RDA101" in codes(review(written(tmp_path, values)))) is shared


def test_a_spec_and_a_plan_are_reviewed_with_their_warnings(tmp_path: Path) -> None:
    from planner import planning

    spec = written(tmp_path, SPEC, "spec.json")
    found = review(spec)
    assert found.files[0].tool == "adapt-spec"
    assert "WRN101" in codes(found)
    plan = planning.plan(spec).to_json()
    path = written(tmp_path, plan, "plan.json")
    assert "ROW101" not in codes(review(path))
    plan["spec"]["task"]["description"] = "something else"
    plan["planner"] = "0.0.1"
    for step in plan["steps"]:
        step["gates"] = []
    assert {"ROW101", "ROW102"} <= codes(review(written(tmp_path, plan, "plan.json")))


def test_a_users_rule_book_takes_part(tmp_path: Path) -> None:
    book = tmp_path / "ours.toml"
    book.write_text(
        """
book = "ours"
version = "1"
[reference.house]
title = "House rules"
url = "https://example.org/rules"
[[rule]]
id = "OUR101"
name = "the house trains in bf16"
decides = "findings"
answer = "house-precision"
severity = "error"
about = "bf16"
when = { config_precision = "!= bf16" }
fix = "Turn bf16 on."
why = "The house has decided so."
cite = ["house"]
since = "1"
examples = [
  { given = { config_precision = "fp16" }, holds = true },
  { given = { config_precision = "bf16" }, holds = false },
]
""",
        encoding="utf-8",
    )
    path = written(tmp_path, changed(TRL, bf16=False, fp16=True))
    assert "OUR101" in codes(review(path, rule_books=[book]))
    assert "OUR101" not in codes(review(path))


def test_the_same_files_give_the_same_findings_in_the_same_order(tmp_path: Path) -> None:
    one = written(tmp_path, changed(TRL, fp16=True, save_safetensors=False, weight_decay=1), "a.json")
    two = written(tmp_path, changed(AXOLOTL, val_set_size=0), "b.json")
    found = review([one, two], hardware="a10g")
    assert found == review([two, one, two], hardware="a10g").model_copy(update={"files": found.files})
    places = [(finding.where.file or "", finding.where.line or 0) for finding in found.findings]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "arguments", [{"hardware": "nonsense"}, {"model": "acme/nowhere"}, {"data": {"nonsense": 3}}, {"data": 1.5}]
)
def test_an_argument_that_is_wrong_is_refused(arguments: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError):
        review(written(tmp_path, TRL), **arguments)


KEYS = sorted(
    set().union(*(reader.OWN | reader.SHARED for reader in (axolotl, llama_factory, mergekit, peft, trl)))
    | {"parameters", "models", "datasets", "test_datasets", "peft_config", "eval_dataset"}
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["", "auto", "no", "steps", "train", "test", "lora", "full", "dpo", "slerp", "all", "flash", "a@b"]
    )
    | st.text(max_size=8)
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*KEYS, "path", "model", "type", "split", "value", "sources"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.dictionaries(st.sampled_from(KEYS), TREES, max_size=14), base=st.sampled_from(sorted(IN_ORDER)))
def test_no_mapping_crashes_a_review(values: Values, base: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    whole = values if base == "adapt-spec" else IN_ORDER[base] | values
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    found = review(path, hardware="a10g", data=500)
    assert Findings.model_validate_json(json.dumps(found.to_json())) == found


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published configurations are not beside the repository")
def test_published_configurations_are_recognised_and_reviewed_in_a_fifth_of_a_second_each() -> None:
    files = sorted(PUBLISHED.glob("*.y*ml"))
    assert files
    for path in files:
        seconds = []
        for _ in range(3):
            started = time.process_time()
            found = review(path)
            seconds.append(time.process_time() - started)
        assert found.files[0].tool.replace("-", "") == path.name.partition("--")[0], path.name
        assert not found.at_least("error"), path.name
        # The first reading of a catalogue, and other work on this machine, are not the review's.
        assert min(seconds) < 0.2, path.name
