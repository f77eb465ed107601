"""Sums of adapters: the adapter that results answers as the sum of their changes does, by hand and by mergekit."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from executors.merge import MergeModelsParams
from planner.documents import InputError
from tests.executors.merge.merges import MARKS, perform, values
from tests.executors.tiny import make_tiny_model

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Outcome

pytestmark = MARKS


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A base and adapters of it: `one` of rank 4, `two` of rank 2 by rsLoRA on fewer modules, `three` of rank 4."""
    folder = tmp_path_factory.mktemp("adapters")
    base = make_tiny_model(folder / "base")
    every = ["q_proj", "v_proj", "up_proj", "down_proj"]
    return {
        "base": base,
        "one": lora(base, folder / "one", seed=1, r=4, lora_alpha=8, target_modules=every),
        "two": lora(base, folder / "two", seed=2, r=2, lora_alpha=8, target_modules=["q_proj"], use_rslora=True),
        "three": lora(base, folder / "three", seed=3, r=4, lora_alpha=8, target_modules=every),
    }


def lora(base: Path, folder: Path, *, seed: int, **settings: Any) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model

    from executors.models import load_model

    torch.manual_seed(seed)
    config = LoraConfig(init_lora_weights=False, task_type="CAUSAL_LM", **settings)
    get_peft_model(load_model(base, "fp32", device="cpu"), config).save_pretrained(folder)
    return folder


def run(tmp_path: Path, given: dict[str, Any], base: Path, *sources: Path) -> tuple[Outcome, Path]:
    outcome = perform(tmp_path, given | {"adapters": [True] * len(sources)}, *sources, base=base)
    assert not list((tmp_path / "kept").iterdir())
    return outcome, tmp_path / "out"


def change(folder: Path) -> dict[str, Any]:
    """What an adapter adds to each weight of the base, by its definition [hu-2021-lora, kalajdzievski-2023-rslora]."""
    from safetensors.torch import load_file

    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    scaling = config["lora_alpha"] / config["r"] ** (0.5 if config["use_rslora"] else 1)
    found = load_file(folder / "adapter_model.safetensors")
    names = [name.removesuffix(".lora_A.weight") for name in found if name.endswith(".lora_A.weight")]
    return {
        name.removeprefix("base_model.model."): scaling
        * found[f"{name}.lora_B.weight"]
        @ found[f"{name}.lora_A.weight"]
        for name in names
    }


def logits(folder: Path, adapter: Path | None = None, added: tuple[tuple[float, Path], ...] = ()) -> Any:
    """Logits of a model, with an adapter on it, or with the changes of adapters added by hand."""
    import torch

    from executors.models import load_adapter, load_model

    model = load_model(folder, "fp32", device="cpu")
    with torch.inference_mode():
        for weight, source in added:
            for name, delta in change(source).items():
                model.get_submodule(name).weight.add_(weight * delta)
        if adapter is not None:
            model = load_adapter(model, adapter)
        return model(torch.arange(5, 40)[None]).logits


EXACT: list[tuple[dict[str, Any], tuple[float, float]]] = [
    (values("concatenation", weights=[1.0, 1.0]), (1.0, 1.0)),
    (values("concatenation", weights=[0.7, -0.3]), (0.7, -0.3)),
    (values("task-arithmetic", weights=[1.0, 0.5], normalize=False, scale=0.4), (0.4, 0.2)),
    (values("linear", weights=[3.0, 1.0], normalize=True), (0.75, 0.25)),
]


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")], ids=["first by alpha/r", "first by rsLoRA"])
@pytest.mark.parametrize(("given", "factors"), EXACT)
def test_a_sum_answers_as_its_parts_together(
    tmp_path: Path,
    adapters: dict[str, Path],
    given: dict[str, Any],
    factors: tuple[float, float],
    order: tuple[str, str],
) -> None:
    import torch

    base, sources = adapters["base"], [adapters[name] for name in order]
    outcome, out = run(tmp_path, given | {"result": "adapter"}, base, *sources)
    expected = logits(base, added=tuple(zip(factors, sources, strict=True)))
    assert sorted(path.name for path in out.iterdir()) == ["adapter", "model"]
    assert outcome.notes["adapter_rank"] == 6
    assert torch.allclose(logits(base, out / "adapter"), expected, atol=1e-4)
    assert torch.allclose(logits(out / "model"), expected, atol=1e-4)
    assert not torch.allclose(logits(base), expected, atol=1e-2)


def test_a_smaller_rank_keeps_the_largest_part_of_the_sum(tmp_path: Path, adapters: dict[str, Path]) -> None:
    import torch

    base, sources = adapters["base"], (adapters["one"], adapters["three"])
    given = values("task-arithmetic", weights=[1.0, 1.0], normalize=False, scale=1.0) | {"result": "adapter"}
    full, small = ((run(tmp_path / str(rank), given | {"rank": rank}, base, *sources)) for rank in (8, 3))
    assert (full[0].notes["adapter_rank"], small[0].notes["adapter_rank"]) == (8, 3)
    wanted = {name: delta + change(sources[1])[name] for name, delta in change(sources[0]).items()}
    for name, delta in change(small[1] / "adapter").items():
        singular = torch.linalg.svdvals(wanted[name])
        # The best rank-3 matrix misses by the singular values that it leaves out (Eckart and Young).
        assert float((wanted[name] - delta).norm()) == pytest.approx(float(singular[3:].norm()), rel=1e-3)
        assert torch.allclose(change(full[1] / "adapter")[name], wanted[name], atol=1e-4)


@pytest.mark.parametrize("method", ["ties", "dare-ties", "dare-linear"])
def test_pruned_sums_are_those_of_whole_models_where_the_rank_is_full(
    tmp_path: Path, adapters: dict[str, Path], method: str
) -> None:
    import torch

    from tests.executors.finetunes import weights

    base, sources = adapters["base"], (adapters["one"], adapters["three"])
    # Nothing is dropped at random, as the two libraries draw by different orders.
    density = 0.5 if method == "ties" else 1.0
    given = values(method, weights=[0.5, 0.5], normalize=True, scale=1.0, density=density)
    _, out = run(tmp_path / "peft", given | {"result": "adapter", "rank": 64}, base, *sources)
    _, whole = run(tmp_path / "mergekit", given, base, *sources)
    made, expected = weights(out / "model"), weights(whole / "model")
    for name, tensor in expected.items():
        assert torch.allclose(made[name], tensor, atol=2e-4), name


def bad(tmp_path: Path, adapters: dict[str, Path], how: str) -> Path:
    folder: Path = shutil.copytree(adapters["two"], tmp_path / "bad")
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    file = folder / "adapter_model.safetensors"
    changed = {
        "dora": {"use_dora": True},
        "layers": {"modules_to_save": ["lm_head"]},
        "pissa": {"init_lora_weights": "pissa"},
        "ia3": {"peft_type": "IA3"},
        "rank": {"r": 8},
    }
    (folder / "adapter_config.json").write_text(json.dumps(config | changed.get(how, {})), encoding="utf-8")
    if how == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif how == "missing":
        file.unlink()
    elif how == "base":
        from transformers import LlamaConfig, LlamaForCausalLM

        shape = json.loads((adapters["base"] / "config.json").read_text(encoding="utf-8"))
        wide = shutil.copytree(adapters["base"], tmp_path / "wide")
        LlamaForCausalLM(LlamaConfig(**shape | {"hidden_size": 96})).save_pretrained(wide)
        shutil.rmtree(folder)
        lora(wide, folder, seed=5, r=2, target_modules=["q_proj"])
    return folder


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("dora", r"source-1 holds magnitudes of its own \(DoRA\), which a sum of adapters loses"),
        ("layers", "source-1 holds whole layers"),
        ("pissa", r"source-1 holds a base that it changed itself \(pissa\)"),
        ("ia3", "source-1 is no LoRA adapter but IA3"),
        ("rank", "source-1 does not fit the base"),
        ("base", "source-1 does not fit the base"),
        ("cut", r"adapter_model\.safetensors is cut off"),
        ("missing", r"lack the file adapter_model\.safetensors"),
    ],
)
def test_bad_adapters_are_one_sentence_and_leave_nothing(
    tmp_path: Path, adapters: dict[str, Path], how: str, said: str
) -> None:
    given = values("concatenation", weights=[1.0, 1.0]) | {"result": "adapter"}
    with pytest.raises(InputError, match=said) as caught:
        run(tmp_path, given, adapters["base"], adapters["one"], bad(tmp_path, adapters, how))
    assert "\n" not in caught.value.findings[0].message
    assert not list((tmp_path / "out").iterdir())


WRONG: list[tuple[dict[str, Any], str]] = [
    (values("concatenation", weights=[1.0, 1.0]), "need the result adapter"),
    (values("concatenation", weights=[1.0, 1.0]) | {"result": "adapter"}, "only sums of adapters are adapters"),
    (
        values("linear", weights=[1.0, 1.0], normalize=False) | {"result": "adapter", "adapters": [True, True]},
        "divides weights above zero by their sum",
    ),
]


@pytest.mark.parametrize(("given", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_makes_no_adapter_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        MergeModelsParams.model_validate(given)
