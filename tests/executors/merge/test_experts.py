"""Mixtures of experts by upcycling: written by mergekit, read by transformers, their router trained afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from executors.merge import MergeModelsParams
from planner.documents import InputError
from tests.executors.finetunes import weights
from tests.executors.merge.merges import MARKS, merge, values
from tests.executors.tiny import make_tiny_model

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = MARKS
TWO = {"experts": 2, "experts_per_token": 2}


def test_a_mixture_has_the_experts_of_its_sources_and_the_attention_of_the_base(
    tmp_path: Path, family: dict[str, Path]
) -> None:
    import torch

    given = values("moe", **TWO, router="uniform-random")
    folder = merge(tmp_path, given, family["one"], family["two"], base=family["base"])
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert (config["model_type"], config["num_local_experts"], config["num_experts_per_tok"]) == ("mixtral", 2, 2)
    assert config["eos_token_id"] == json.loads((family["base"] / "config.json").read_text())["eos_token_id"]
    found, base = weights(folder), weights(family["base"])
    for number, name in enumerate(("one", "two")):
        own = weights(family[name])
        down = found["model.layers.1.mlp.experts.down_proj"][number]
        assert torch.equal(down, own["model.layers.1.mlp.down_proj.weight"])
    for name in ("model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight"):
        assert torch.equal(found[name], base[name])
    for name in ("tokenizer.json", "chat_template.jinja", "generation_config.json"):
        assert (folder / name).read_bytes() == (family["base"] / name).read_bytes()


def test_copies_of_one_model_answer_as_it_does(tmp_path: Path, family: dict[str, Path]) -> None:
    import torch

    from executors.models import load_model

    folder = merge(tmp_path, values("moe", 1, experts=4, experts_per_token=2, router="random"), family["one"])
    ids = torch.arange(5, 60)[None]
    with torch.inference_mode():
        mixed, plain = (load_model(each, "fp32", device="cpu")(ids).logits for each in (folder, family["one"]))
    assert torch.allclose(mixed, plain, atol=1e-4)


def test_a_router_that_begins_with_requests_sends_them_to_their_expert(tmp_path: Path, family: dict[str, Path]) -> None:
    import torch

    asked = [["turn on the lamp in the kitchen"], ["turn off the radio in the cellar"]]
    given = values("moe", **TWO, router="hidden", requests=asked)
    found = weights(merge(tmp_path / "hidden", given, family["one"], family["two"], base=family["base"]))
    again = weights(merge(tmp_path / "again", given, family["one"], family["two"], base=family["base"]))
    gate = "model.layers.0.mlp.gate.weight"
    assert torch.equal(found[gate], again[gate])
    assert found[gate].norm(dim=-1).tolist() == pytest.approx([1.0, 1.0], abs=5e-3)
    random = values("moe", **TWO, router="uniform-random")
    other = weights(merge(tmp_path / "random", random, family["one"], family["two"], base=family["base"]))
    assert not torch.equal(found[gate], other[gate])


def test_models_with_biases_make_no_mixture(tmp_path: Path) -> None:
    biased = make_tiny_model(tmp_path / "biased", biases=True)
    with pytest.raises(InputError, match="no mixture of experts of models of this kind"):
        merge(tmp_path, values("moe", 1, experts=2, experts_per_token=1, router="random"), biased)
    assert not list((tmp_path / "out").iterdir())


WRONG: list[tuple[dict[str, Any], str]] = [
    (values("moe", 3, **TWO, router="random"), "2 experts are made of as many sources, or of one, and not of 3"),
    (values("moe", experts=2, experts_per_token=3, router="random"), "3 experts read each token, and there are 2"),
    (values("moe", **TWO, router="hidden"), "needs those of every expert"),
    (values("linear", weights=[1.0, 1.0], normalize=True, requests=[["a"], ["b"]]), "linear takes no requests"),
]


@pytest.mark.parametrize(("given", "said"), WRONG, ids=[said for _, said in WRONG])
def test_numbers_of_a_mixture_that_mean_nothing_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        MergeModelsParams.model_validate(given)
