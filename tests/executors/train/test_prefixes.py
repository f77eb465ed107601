from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from executors.train.examples import IGNORED
from planner.documents import InputError
from tests.executors.train.jobs import make_job, perform

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def row(ids: list[int], learned: int) -> dict[str, Any]:
    """Tokens, of which the last are the answer."""
    return {"input_ids": ids, "labels": [IGNORED] * (len(ids) - learned) + ids[len(ids) - learned :], "segments": [1]}


def drawn(seed: int) -> list[dict[str, Any]]:
    """Rows behind a prefix of some length, 0 among them; one may be the prefix alone, or learned from its first."""
    chance = random.Random(seed)  # noqa: S311 - rows, not a secret
    prefix = [chance.randrange(3, 300) for _ in range(chance.randrange(12))]
    rows = []
    for _ in range(chance.randrange(1, 6)):
        ids = prefix + [chance.randrange(3, 300) for _ in range(chance.randrange(0 if len(prefix) > 1 else 2, 12))]
        rows.append(row(ids, chance.randrange(1, len(ids) + 1)))
    return rows


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_loss_logits_and_gradients_are_those_of_the_rows_side_by_side(tiny_model: Path, attention: str) -> None:
    import torch

    from executors.models import load_model
    from executors.train.head_loss import HeadLoss
    from executors.train.loss import collate
    from executors.train.prefixes import allow, behind, common

    model = load_model(tiny_model, "fp32", device="cpu", attention=attention)
    head = HeadLoss(model)
    assert allow(model, head, 128) is None
    matrix = model.model.layers[1].mlp.down_proj.weight
    seen = set()
    for seed in range(40):
        rows, weight = drawn(seed), (0.0, 0.1, 1.0)[seed % 3]
        prefix = common(rows)
        if not prefix:
            seen.add("nothing shared")
            continue
        seen |= {"prefix alone"} if any(len(each["input_ids"]) == prefix for each in rows) else set()
        found = []
        for batch in (collate(rows, weight, 0), behind(rows, prefix, weight, 0)):
            model.zero_grad()
            loss = head.loss(model, batch)
            loss.backward()
            found.append((loss.detach(), batch["weights"].sum(), matrix.grad, batch["tokens"]))
        assert found[0][3] == found[1][3] == sum(len(each["input_ids"]) for each in rows)
        for side, shared in zip(found[0][:3], found[1][:3], strict=True):
            torch.testing.assert_close(shared, side, rtol=1e-5, atol=1e-5)
    assert seen == {"nothing shared", "prefix alone"}


def test_logits_behind_a_prefix_are_those_of_the_row_alone(tiny_model: Path) -> None:
    import torch

    from executors.models import load_model
    from executors.train.loss import HeadRows
    from executors.train.prefixes import allow, behind

    model = load_model(tiny_model, "fp32", device="cpu")
    head = HeadRows(model)
    allow(model, head, 128)
    rows = [row([5, 6, 7, *rest], 1) for rest in ([8, 9], [10, 11, 12, 13], [14])]
    batch = behind(rows, 3, 1.0, pad_id=0)
    assert batch["ids"].tolist() == [[5, 6, 7, 8, 9, 0, 0, 10, 11, 12, 13, 14, 0, 0, 0]]
    assert batch["places"].tolist() == [[0, 1, 2, *[3, 4, 5, 6] * 3]]
    with torch.no_grad():
        together = head.logits(model, batch["ids"], torch.arange(15), batch["places"], batch["prefix"])
        for number, each in enumerate(rows):
            alone = model(input_ids=torch.tensor([each["input_ids"]]), use_cache=False).logits[0]
            rest = len(each["input_ids"]) - 3
            mine = torch.cat([together[:3], together[3 + 4 * number :][:rest]])
            torch.testing.assert_close(mine, alone, rtol=0, atol=1e-5)


def test_rows_that_share_little_stand_side_by_side() -> None:
    from executors.train.prefixes import collate_prefixed

    many = [row([5, 6, 7, 8, number], 1) for number in range(4)]
    assert collate_prefixed(many, 0.0, 0)["prefix"] == (4, 5)
    assert "prefix" not in collate_prefixed(many[:1], 0.0, 0)
    assert "prefix" not in collate_prefixed([row([5, *range(10, 60)], 1), row([5, *range(60, 110)], 1)], 0.0, 0)


def test_models_that_cannot_are_named(tiny_model: Path) -> None:
    from executors.models import load_model
    from executors.train.loss import HeadRows
    from executors.train.prefixes import allow

    class Leaking(HeadRows):
        def logits(self, model: Any, ids: Any, kept: Any, places: Any = None, prefix: Any = None) -> Any:
            del prefix
            return super().logits(model, ids, kept, places)

    model = load_model(tiny_model, "fp32", device="cpu", attention="sdpa")
    assert "other logits in this model" in str(allow(model, Leaking(model), 64))
    model.config.sliding_window = 32
    assert allow(model, HeadRows(model), 64) == "The model sees 32 tokens at a time, and the longest row has 64."
    model.config.layer_types = ["full_attention", "linear_attention"]
    assert "Layers of linear_attention carry a state" in str(allow(model, HeadRows(model), 16))
    assert model.config._attn_implementation == "sdpa"


def test_training_goes_the_way_of_rows_side_by_side(tiny_model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    changes: dict[str, Any] = {"epochs": 2.0, "learning_rate": 1e-3, "accumulation": 2, "gradient_checkpointing": True}
    made = []
    for shares in (False, True):
        job = make_job(tmp_path / str(shares), tiny_model, share_prefix=shares, **changes)
        outcome = perform(job)
        assert outcome.notes["share_prefix"] is shares
        assert "not_as_planned" not in outcome.notes
        made.append((outcome, load_file(job.out / "adapter/adapter_model.safetensors")))
    (side, apart), (shared, together) = made
    assert shared.notes["tokens"] == side.notes["tokens"]
    for name in ("train_loss", "validation_loss"):
        assert shared.metrics[name].value == pytest.approx(side.metrics[name].value, abs=1e-4)
    assert max(float((apart[name] - together[name]).abs().max()) for name in apart) < 1e-3


def test_what_is_cut_short_goes_on_to_the_same_bytes(tiny_model: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"share_prefix": True, "dropout": 0.1, "attention": "eager"}
    first = make_job(tmp_path, tiny_model, **changes)
    perform(first)
    newest = max((tmp_path / "checkpoints").iterdir(), key=lambda item: int(item.name[11:]))
    (newest / "optimizer.pt").write_bytes(b"cut")
    again = make_job(tmp_path, tiny_model, **changes)
    assert perform(again).notes["resumed_from"]
    name = "adapter/adapter_model.safetensors"
    assert (again.out / name).read_bytes() == (first.out / name).read_bytes()


@pytest.mark.parametrize("changes", [{"method": "full"}, {"method": "relora"}, {"objective": "long-context"}])
def test_no_file_that_is_left_names_the_kernel(tiny_model: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    job = make_job(tmp_path, tiny_model, share_prefix=True, epochs=1.0, **changes)
    assert perform(job).notes["share_prefix"] is True
    files = [file for folder in (job.out, job.checkpoints) for file in folder.rglob("*") if file.is_file()]
    assert [file.name for file in files if file.name == "config.json"] == ["config.json"]
    assert [file.name for file in files if b"adapt_prefixed" in file.read_bytes()] == []


def test_a_model_that_shares_beginnings_is_saved_as_any_other(tiny_model: Path, tmp_path: Path) -> None:
    from executors.models import load_model
    from executors.prefixed import PREFIXED
    from executors.train.loss import HeadRows
    from executors.train.prefixes import allow

    model = load_model(tiny_model, "fp32", device="cpu")
    assert allow(model, HeadRows(model), 64) is None
    model.save_pretrained(tmp_path / "saved")
    assert model.config._attn_implementation == PREFIXED["sdpa"]
    assert "adapt_prefixed" not in (tmp_path / "saved/config.json").read_text(encoding="utf-8")
    assert load_model(tmp_path / "saved", "fp32", device="cpu").config._attn_implementation == "sdpa"


def test_a_window_shorter_than_the_rows_is_noted(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executors.train.trainer.allow", lambda *_: "The model sees 8 tokens at a time.")
    notes = perform(make_job(tmp_path, tiny_model, share_prefix=True, epochs=1.0)).notes
    assert notes["share_prefix"] is False
    assert notes["not_as_planned"] == {"share_prefix": "The model sees 8 tokens at a time."}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"packing": True}, "packed rows stand behind each other whole"),
        ({"attention": "flash", "precision": "bf16"}, "attention flash reads whole rows"),
        ({"method": "prompt-tuning"}, "prompt-tuning begins each row with virtual tokens"),
        ({"objective": "classification-head"}, "sft by lora|has no share_prefix"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tiny_model: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises((InputError, ValueError), match=said):
        make_job(tmp_path, tiny_model, share_prefix=True, **changes)
