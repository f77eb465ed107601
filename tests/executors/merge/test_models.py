"""Merges of whole models: each method against its formula, or against mergekit's own command."""

from __future__ import annotations

import importlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from executors.merge import MergeModelsParams
from executors.merge.recipe import recipe
from tests.executors.finetunes import weights
from tests.executors.merge.merges import MARKS, merge, values
from tests.executors.merge.test_merge import make_adapter

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = MARKS
PRUNED: dict[str, Any] = {"weights": [0.5, 0.5], "normalize": True, "scale": 1.0, "density": 0.5}
HALF_STACK = [{"source": 0, "layers": [0, 2]}, {"source": 0, "layers": [1, 2]}]


def numbers(folder: Path) -> dict[str, Any]:
    return {name: tensor.double().numpy() for name, tensor in weights(folder).items()}  # type: ignore[attr-defined]


def arc(one: Any, other: Any, t: float) -> Any:
    """Spherical interpolation by its textbook formula, straight where both point the same way."""
    import numpy as np

    cosine = (one * other).sum() / (np.linalg.norm(one) * np.linalg.norm(other))
    if abs(cosine) > 0.9995:
        return (1 - t) * one + t * other
    angle = np.arccos(cosine)
    return (np.sin((1 - t) * angle) * one + np.sin(t * angle) * other) / np.sin(angle)


FORMULAS: list[tuple[dict[str, Any], Any]] = [
    (values("linear", weights=[3.0, 1.0], normalize=True), lambda base, one, two: 0.75 * one + 0.25 * two),
    (values("linear", weights=[1.0, -0.5], normalize=False), lambda base, one, two: one - 0.5 * two),
    (values("slerp", t=0.3), lambda base, one, two: arc(one, two, 0.3)),
    (
        values("task-arithmetic", weights=[1.0, -1.0], normalize=False, scale=0.4),
        lambda base, one, two: base + 0.4 * ((one - base) - (two - base)),
    ),
    (
        values("ties", weights=[1.0, 1.0], normalize=False, scale=1.0, density=1.0),
        lambda base, one, two: base + elected(one - base, two - base),
    ),
]


def elected(one: Any, two: Any) -> Any:
    """The sum of those changes that have the sign of the whole sum."""
    import numpy as np

    sign = np.where(one + two >= 0, 1, -1)
    return np.where(np.sign(one) == sign, one, 0) + np.where(np.sign(two) == sign, two, 0)


@pytest.mark.parametrize(("given", "formula"), FORMULAS)
def test_a_merge_is_its_formula(tmp_path: Path, family: dict[str, Path], given: dict[str, Any], formula: Any) -> None:
    import numpy as np

    base = family["base"] if given["method"] in ("task-arithmetic", "ties") else None
    found = numbers(merge(tmp_path, given, family["one"], family["two"], base=base))
    parts = [numbers(family[name]) for name in ("base", "one", "two")]
    assert found.keys() == parts[0].keys()
    for name, tensor in found.items():
        np.testing.assert_allclose(tensor, formula(*(part[name] for part in parts)), atol=1e-5, err_msg=name)


@pytest.mark.parametrize("method", ["ties", "dare-linear", "dare-ties", "della"])
def test_a_merge_equals_mergekits_own_command_bit_for_bit(tmp_path: Path, family: dict[str, Path], method: str) -> None:
    import torch
    import yaml
    from click.testing import CliRunner

    spread: dict[str, Any] = {"spread": 0.1} if method == "della" else {}
    given = values(method, **PRUNED, **spread) | {"dtype": "bf16"}
    merged = weights(merge(tmp_path, given, family["one"], family["two"], base=family["base"]))
    at = {"source-0": str(family["one"]), "source-1": str(family["two"]), "base": str(family["base"])}
    path = tmp_path / "merge.yml"
    path.write_text(yaml.safe_dump(recipe(MergeModelsParams.model_validate(given), at)), encoding="utf-8")
    command = importlib.import_module("mergekit.scripts.run_yaml").main
    ran = CliRunner().invoke(command, [str(path), str(tmp_path / "theirs"), "--random-seed", "7", "--quiet"])
    assert ran.exit_code == 0, ran.output
    theirs = weights(tmp_path / "theirs")
    assert merged.keys() == theirs.keys()
    assert all(torch.equal(merged[name], theirs[name]) for name in merged)
    assert not all(torch.equal(merged[name], plain) for name, plain in weights(family["one"]).items())


def test_a_stack_repeats_layers_and_reloads_deeper(tmp_path: Path, family: dict[str, Path]) -> None:
    import torch

    given = values("depth-upscaling", 1, layers=3, slices=HALF_STACK)
    folder = merge(tmp_path, given, family["one"])
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"] == 3
    found, source = weights(folder), weights(family["one"])
    for layer, taken in enumerate((0, 1, 1)):
        for name in ("self_attn.q_proj", "mlp.up_proj", "input_layernorm"):
            assert torch.equal(
                found[f"model.layers.{layer}.{name}.weight"], source[f"model.layers.{taken}.{name}.weight"]
            )


def test_passthrough_takes_layers_of_two_models(tmp_path: Path, family: dict[str, Path]) -> None:
    import torch

    slices = [{"source": 0, "layers": [0, 1]}, {"source": 1, "layers": [1, 2]}]
    found = weights(merge(tmp_path, values("passthrough", layers=2, slices=slices), family["one"], family["two"]))
    for layer, source in enumerate(("one", "two")):
        name = f"model.layers.{layer}.mlp.up_proj.weight"
        assert torch.equal(found[name], weights(family[source])[name])


def test_adapters_are_added_to_the_base_before_they_are_merged(tmp_path: Path, family: dict[str, Path]) -> None:
    import torch

    from executors.models import load_adapter, load_model

    adapter = make_adapter(family["base"], tmp_path / "adapter")
    given = values("task-arithmetic", 1, weights=[1.0], normalize=False, scale=1.0) | {"adapters": [True]}
    merged = load_model(merge(tmp_path, given, adapter, base=family["base"]), "fp32", device="cpu")
    both = load_adapter(load_model(family["base"], "fp32", device="cpu"), adapter)
    ids = torch.arange(5, 40)[None]
    with torch.inference_mode():
        assert torch.allclose(merged(ids).logits, both(ids).logits, atol=1e-4)


def test_tokenizer_template_and_end_tokens_are_the_bases(tmp_path: Path, family: dict[str, Path]) -> None:
    given = values("ties", **PRUNED)
    folder = merge(tmp_path, given, family["one"], family["two"], base=family["base"])
    for name in ("tokenizer.json", "chat_template.jinja", "generation_config.json"):
        assert (folder / name).read_bytes() == (family["base"] / name).read_bytes()
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".jinja", ".safetensors"}


def test_a_base_without_a_chat_template_gets_that_of_its_finetunes(tmp_path: Path, family: dict[str, Path]) -> None:
    base = shutil.copytree(family["base"], tmp_path / "plain")
    (base / "chat_template.jinja").unlink()
    given = values("task-arithmetic", weights=[1.0, 1.0], normalize=False, scale=0.5)
    name, folder = "chat_template.jinja", merge(tmp_path, given, family["one"], family["two"], base=base)
    assert (folder / name).read_bytes() == (family["one"] / name).read_bytes()


def test_the_seed_chooses_what_is_dropped(tmp_path: Path, family: dict[str, Path]) -> None:
    made = [
        merge(tmp_path / str(number), values("dare-linear", **PRUNED) | {"seed": seed}, one, two, base=family["base"])
        for number, seed in enumerate((7, 7, 8))
        for one, two in [(family["one"], family["two"])]
    ]
    first, again, other = ((folder / "model.safetensors").read_bytes() for folder in made)
    assert first == again
    assert first != other


WRONG: list[tuple[dict[str, Any], str]] = [
    (values("slerp", 3, t=0.5), "slerp takes two sources, not 3"),
    (values("slerp", t=1.5), "less than or equal to 1"),
    (values("slerp", t=0.5, weights=[1.0, 1.0]), "slerp takes no weights"),
    (values("linear", weights=[1.0, -1.0], normalize=True), "weights sum to zero"),
    (values("linear", weights=[1.0], normalize=True), "1 weights are given for 2 sources"),
    (values("linear", weights=[1.0, float("nan")], normalize=True), "finite number"),
    (values("ties", weights=[0.5, 0.5], normalize=True, scale=1.0), "ties needs density"),
    (values("della", **PRUNED | {"density": 0.05}, spread=0.1), r"leaves 0\.\.1"),
    (values("passthrough", layers=3, slices=None), "passthrough needs slices"),
    (values("passthrough", layers=4, slices=HALF_STACK), "3 layers together and not 4"),
    (values("passthrough", 1, layers=1, slices=[{"source": 1, "layers": [0, 1]}]), "a slice is of source 1"),
]


@pytest.mark.parametrize(("given", "said"), WRONG, ids=[said for _, said in WRONG])
def test_numbers_that_mean_nothing_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        MergeModelsParams.model_validate(given)
