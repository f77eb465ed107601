"""Pins that the base has no room for are refused when it is planned, with the place and what would do."""

from __future__ import annotations

from typing import Any

import pytest

from planner.documents import InputError
from planner.planning import plan
from tests.planner.specs import spec

# 24 layers of width 896 with two heads of keys and values of 64 each, and a context of 32,768 tokens.
SMALL = {"models": [{"id": "Qwen/Qwen2.5-0.5B-Instruct"}]}


def trained(**pins: Any) -> dict[str, Any]:
    params: dict[str, Any] = plan(spec(**SMALL, overrides={"approach": "finetune", **pins})).step("train/sft").params
    return params


@pytest.mark.parametrize(
    ("pins", "place", "said"),
    [
        ({"rank": 512}, "rank", "Rank 512 is above the smaller side, 128, of k_proj."),
        ({"rank": 512, "targets": ["q_proj", "k_proj"]}, "rank", "Rank 512 is above the smaller side, 128, of k_proj."),
        ({"targets": ["q_proj", "wqkv"]}, "targets", "The base has no module wqkv."),
        ({"targets": ["q_porj"]}, "targets", "The base has no module q_porj."),
        (
            {"method": "partial", "layers_trained": 25},
            "layers_trained",
            "25 layers are to be trained, and the base has 24",
        ),
        ({"max_length": 40_000}, "max_length", "Rows of 40000 tokens are asked for, and the base reads 32768."),
        ({"method": "prompt-tuning", "virtual_tokens": 33_000}, "virtual_tokens", "33000 virtual tokens leave no room"),
    ],
)
def test_a_pin_beyond_the_base_is_refused(pins: dict[str, Any], place: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        trained(**pins)
    [finding] = caught.value.findings
    assert (finding.code, finding.where.pointer) == ("PIN011", f"/overrides/{place}")
    assert said in finding.message
    assert finding.fix


def test_a_module_that_is_nearly_named_is_told() -> None:
    with pytest.raises(InputError, match="q_porj") as caught:
        trained(targets=["q_porj"])
    assert "q_proj" in caught.value.findings[0].fix


@pytest.mark.parametrize(
    "pins",
    [
        {"rank": 128},
        # The products of queries alone are as wide as the model.
        {"rank": 512, "targets": ["q_proj"]},
        {"method": "galore", "rank": 512},
        {"method": "partial", "layers_trained": 24},
        {"max_length": 32_768},
    ],
)
def test_a_pin_that_the_base_holds_stands(pins: dict[str, Any]) -> None:
    params = trained(**pins)
    assert {name: params[name] for name in pins if name != "method"} == {
        name: value for name, value in pins.items() if name != "method"
    }


def test_of_a_model_that_is_known_by_its_size_alone_nothing_is_refused() -> None:
    document = plan(spec(models=[{"id": "org/own", "params": 10**9}], overrides={"approach": "finetune", "rank": 512}))
    assert document.step("train/sft").params["rank"] == 512
