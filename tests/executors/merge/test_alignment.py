"""Units of one model brought into the order of another: exactly where it is a permuted copy, nearer where it is not."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from executors.merge.alignment import Matching
from planner.documents import InputError
from tests.executors.finetunes import weights
from tests.executors.merge.merges import MARKS, merge, perform, values
from tests.executors.tiny import make_tiny_model, tiny_rows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = MARKS
HEADS, GROUPS, WIDTH = 4, 2, 16


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("one") / "model")


def shuffled(source: Path, folder: Path, seed: int = 0) -> Path:
    """A copy that computes the same: residual stream, hidden units, heads within groups, groups and values move."""
    import torch
    from safetensors.torch import save_file

    def order(count: int) -> Any:
        return torch.randperm(count, generator=draw)

    draw = torch.Generator().manual_seed(seed)
    own = weights(source)
    stream = order(own["model.norm.weight"].shape[0])
    moved: dict[str, Any] = {}
    for name in ("model.embed_tokens.weight", "model.norm.weight"):
        moved[name] = own[name][..., stream]
    for layer in range(2):
        units, groups, values = order(128), order(GROUPS), [order(WIDTH) for _ in range(GROUPS)]
        within = [order(HEADS // GROUPS) for _ in range(GROUPS)]
        heads = [int(group) * 2 + int(at) for group, inside in zip(groups, within, strict=True) for at in inside]
        keys = torch.cat([int(group) * WIDTH + torch.arange(WIDTH) for group in groups])
        vals = torch.cat([int(group) * WIDTH + values[int(group)] for group in groups])
        queries = torch.cat([head * WIDTH + torch.arange(WIDTH) for head in heads])
        outputs = torch.cat([head * WIDTH + values[head // 2] for head in heads])
        at = f"model.layers.{layer}."
        for name, rows in (("q", queries), ("k", keys), ("v", vals)):
            key = f"{at}self_attn.{name}_proj.weight"
            moved[key] = own[key][rows][:, stream]
        moved[f"{at}self_attn.o_proj.weight"] = own[f"{at}self_attn.o_proj.weight"][stream][:, outputs]
        for name in ("gate", "up"):
            moved[f"{at}mlp.{name}_proj.weight"] = own[f"{at}mlp.{name}_proj.weight"][units][:, stream]
        moved[f"{at}mlp.down_proj.weight"] = own[f"{at}mlp.down_proj.weight"][stream][:, units]
        for name in ("input_layernorm", "post_attention_layernorm"):
            moved[f"{at}{name}.weight"] = own[f"{at}{name}.weight"][stream]
    assert moved.keys() == own.keys()
    shutil.copytree(source, folder)
    contiguous = {name: tensor.contiguous() for name, tensor in moved.items()}
    save_file(contiguous, folder / "model.safetensors", {"format": "pt"})
    return folder


def logits(folder: Path) -> Any:
    import torch

    from executors.models import load_model

    with torch.inference_mode():
        return load_model(folder, "fp32", device="cpu")(torch.arange(5, 60)[None]).logits


@pytest.fixture(scope="module")
def copy(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shuffled(model, tmp_path_factory.mktemp("two") / "copy")


def test_a_permuted_copy_computes_the_same_and_is_matched_back_exactly(tmp_path: Path, model: Path, copy: Path) -> None:
    import torch

    assert torch.allclose(logits(model), logits(copy), atol=1e-4)
    given = values("linear", weights=[0.5, 0.5], normalize=True) | {"alignment": "permutation"}
    notes: Any = perform(tmp_path, given, model, copy).notes
    found = notes["alignment"]["source-1"]
    assert found["cosine_before"] < 0.2
    assert found["cosine_after"] == 1.0
    assert found["moved"]["residual"] > 0.5
    merged, own = weights(tmp_path / "out" / "model"), weights(model)
    assert merged.keys() == own.keys()
    assert all(torch.equal(merged[name], own[name]) for name in own)


def test_without_alignment_a_permuted_copy_is_a_stranger(tmp_path: Path, model: Path, copy: Path) -> None:
    with pytest.raises(InputError, match=r"do not come from one base.*merge_alignment"):
        perform(tmp_path, values("slerp", t=0.5), model, copy)
    assert not list((tmp_path / "out").iterdir())


def test_a_model_in_another_order_computes_the_same(tmp_path: Path, model: Path) -> None:
    import torch

    stranger = make_tiny_model(tmp_path / "stranger", seed=5)
    matching = Matching(model, stranger)
    before = matching.closeness()
    matching.search()
    matching.write(tmp_path / "aligned")
    assert matching.closeness() > before
    assert torch.allclose(logits(stranger), logits(tmp_path / "aligned"), atol=1e-4)
    assert not all(
        torch.equal(tensor, weights(stranger)[name]) for name, tensor in weights(tmp_path / "aligned").items()
    ), "something moved"


def trained(folder: Path, source: Path, seed: int) -> Path:
    """A model that has learned the tiny rows, in an order of its own."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(source), AutoTokenizer.from_pretrained(source)
    ids = [tokenizer(row["prompt"] + row["completion"], return_tensors="pt").input_ids for row in tiny_rows(16)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    draw = torch.Generator().manual_seed(seed)
    for step in torch.randint(0, len(ids), (40,), generator=draw).tolist():
        model(ids[step], labels=ids[step]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    shutil.copytree(source, folder)
    model.save_pretrained(folder)
    return folder


def loss(folder: Path, words: Path) -> float:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(words)
    ids = [tokenizer(row["prompt"] + row["completion"], return_tensors="pt").input_ids for row in tiny_rows(16)]
    with torch.inference_mode():
        return sum(float(model(each, labels=each).loss) for each in ids) / len(ids)


def test_the_barrier_between_models_that_were_trained_apart_is_lower_after_alignment(
    tmp_path: Path, model: Path
) -> None:
    one = trained(tmp_path / "one", model, seed=1)
    two = trained(tmp_path / "two", shuffled(model, tmp_path / "start", seed=3), seed=2)
    from executors.merge import writing
    from executors.merge.params import MergeModelsParams

    mean = MergeModelsParams.model_validate(values("linear", weights=[0.5, 0.5], normalize=True))
    writing._merge(mean, {"source-0": one, "source-1": two}, tmp_path / "noise", None)
    given = values("linear", weights=[0.5, 0.5], normalize=True) | {"alignment": "permutation"}
    merge(tmp_path, given, one, two)
    ends = (loss(one, one) + loss(two, one)) / 2
    apart, aligned = loss(tmp_path / "noise", one) - ends, loss(tmp_path / "out" / "model", one) - ends
    assert aligned < 0.2 * apart, (aligned, apart)


def test_models_of_another_kind_are_refused_in_a_sentence(tmp_path: Path, model: Path) -> None:
    other = shutil.copytree(model, tmp_path / "other")
    from safetensors.torch import save_file

    renamed = {name.replace("mlp.up_proj", "mlp.strange"): tensor for name, tensor in weights(other).items()}
    save_file(renamed, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"mlp\.strange\.weight is not known there"):
        Matching(other, other)
    assert json.loads((other / "config.json").read_text(encoding="utf-8"))["model_type"] == "llama"
