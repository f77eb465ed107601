"""Merges of many models: the chain of arcs, the federated average, and sources of different lengths."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from executors.merge import MergeModelsParams, federated
from planner.documents import InputError
from tests.executors.finetunes import make_finetune, weights
from tests.executors.merge.merges import MARKS, merge, perform, values

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = MARKS


def test_a_chain_is_mergekits_own_slerp_link_by_link(tmp_path: Path, family: dict[str, Path]) -> None:
    import torch
    import yaml
    from click.testing import CliRunner

    found = weights(merge(tmp_path, values("chained-slerp", 3, chain=[0.5, 0.3]), *_three(family)))
    command = importlib.import_module("mergekit.scripts.run_yaml").main
    before = family["one"]
    for number, (name, t) in enumerate((("two", 0.5), ("three", 0.3))):
        link = {"merge_method": "slerp", "base_model": str(before), "parameters": {"t": t}, "dtype": "float32"}
        link["models"] = [{"model": str(before)}, {"model": str(family[name])}]
        path = tmp_path / f"{number}.yml"
        path.write_text(yaml.safe_dump(link), encoding="utf-8")
        before = tmp_path / f"link-{number}"
        ran = CliRunner().invoke(command, [str(path), str(before), "--quiet"])
        assert ran.exit_code == 0, ran.output
    theirs = weights(before)
    assert found.keys() == theirs.keys()
    assert all(torch.equal(found[name], theirs[name]) for name in found)


def test_a_federated_average_is_the_linear_mean_bit_for_bit(tmp_path: Path, family: dict[str, Path]) -> None:
    counted = [100.0, 300.0, 50.0]
    mean = merge(tmp_path / "linear", values("linear", 3, weights=counted, normalize=True), *_three(family))
    one = merge(tmp_path / "federated", values("federated-average", 3, weights=counted), *_three(family))
    assert (one / "model.safetensors").read_bytes()[-1000:] == (mean / "model.safetensors").read_bytes()[-1000:]
    assert _equal(one, mean)


def test_a_federated_average_goes_on_where_it_was_killed(
    tmp_path: Path, family: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = merge(tmp_path / "whole", values("federated-average", 3, weights=[1.0] * 3), *_three(family))
    # Parts of a few tensors.
    monkeypatch.setattr(federated, "SUM_BYTES", 50_000)
    summed, real = [0], federated._read

    def killed(tensor: Any, name: str) -> Any:
        summed[0] += 1
        if summed[0] == 40:
            raise KeyboardInterrupt
        return real(tensor, name)

    monkeypatch.setattr(federated, "_read", killed)
    given = values("federated-average", 3, weights=[1.0] * 3)
    with pytest.raises(KeyboardInterrupt):
        perform(tmp_path, given, *_three(family))
    assert not list((tmp_path / "out").iterdir()), "nothing half-written"
    resumed = perform(tmp_path, given, *_three(family)).notes["parts_resumed"]
    assert isinstance(resumed, int)
    assert resumed > 0
    assert _equal(tmp_path / "out" / "model", whole)


def test_sources_of_very_different_lengths_are_brought_to_one(tmp_path: Path, family: dict[str, Path]) -> None:
    import torch

    loud = make_finetune(family["base"], tmp_path / "loud", seed=2, size=0.2)
    given = values("task-arithmetic", weights=[1.0, 1.0], normalize=False, scale=1.0) | {"rescale_above": 3.0}
    notes = perform(tmp_path / "rescaled", given, family["one"], loud, base=family["base"]).notes
    found: Any = notes["magnitudes"]
    assert found["longest_over_shortest"] == pytest.approx(10, rel=0.05)
    assert found["rescaled"] is True
    factors = list(found["factors"].values())
    assert factors[0] / factors[1] == pytest.approx(10, rel=0.05)
    assert sum(factors) == pytest.approx(2, rel=1e-4), "the sum of the weights stays"
    carried_out: Any = notes["mergekit"]
    assert [each["parameters"]["weight"] for each in carried_out["models"]] == pytest.approx(factors, rel=1e-4)
    name = "model.layers.0.mlp.up_proj.weight"
    base, one, far = (weights(folder)[name] for folder in (family["base"], family["one"], loud))
    merged = weights(tmp_path / "rescaled" / "out" / "model")[name]
    assert torch.allclose(merged, base + factors[0] * (one - base) + factors[1] * (far - base), atol=1e-4)


def test_sources_of_one_length_are_left_and_their_lengths_are_told(tmp_path: Path, family: dict[str, Path]) -> None:
    plain = values("ties", weights=[0.5, 0.5], normalize=True, scale=1.0, density=0.5)
    two = (family["one"], family["two"])
    found: Any = perform(tmp_path / "asked", plain | {"rescale_above": 3.0}, *two, base=family["base"]).notes
    assert found["magnitudes"]["rescaled"] is False
    assert found["magnitudes"]["of"] == "changes from the base"
    lengths = list(found["magnitudes"]["lengths"].values())
    assert lengths[0] == pytest.approx(lengths[1], rel=0.02)
    merge(tmp_path / "plain", plain, *two, base=family["base"])
    assert _equal(tmp_path / "asked" / "out" / "model", tmp_path / "plain" / "out" / "model")


WRONG: list[tuple[dict[str, Any], str]] = [
    (values("slerp", 3, t=0.5), "not 3: chained-slerp takes more"),
    (values("chained-slerp", 3, chain=[0.5]), "a chain over 3 sources has 2 places, not 1"),
    (values("chained-slerp", 3, chain=[0.5, 1.2]), "less than or equal to 1"),
    (values("federated-average", 2, weights=[1.0, 0.0]), "weights above zero"),
    (values("slerp", t=0.5) | {"rescale_above": 2.0}, "brings nothing to one length"),
    (values("ties", weights=[1.0, 1.0], normalize=True, scale=1.0, density=0.5) | {"alignment": "permutation"}, "mean"),
]


@pytest.mark.parametrize(("given", "said"), WRONG, ids=[said for _, said in WRONG])
def test_numbers_that_mean_nothing_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        MergeModelsParams.model_validate(given)


def test_a_federated_average_of_a_broken_source_leaves_nothing(tmp_path: Path, family: dict[str, Path]) -> None:
    bad = make_finetune(family["base"], tmp_path / "bad", seed=4)
    path = bad / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match="is cut off"):
        merge(tmp_path, values("federated-average", 3, weights=[1.0] * 3), *_three(family)[:2], bad)
    assert not list((tmp_path / "out").iterdir())


def _three(family: dict[str, Path]) -> list[Path]:
    return [family[name] for name in ("one", "two", "three")]


def _equal(one: Path, other: Path) -> bool:
    import torch

    left, right = weights(one), weights(other)
    settings = [json.loads((folder / "config.json").read_text(encoding="utf-8")) for folder in (one, other)]
    return (
        settings[0] == settings[1]
        and left.keys() == right.keys()
        and all(torch.equal(left[name], right[name]) for name in left)
    )
