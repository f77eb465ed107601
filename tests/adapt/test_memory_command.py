"""`adapt memory`: the answer first, the same figures as JSON, exit codes, and one sentence for bad input."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapt.estimates.ledger import calibration_of
from adapt.estimates.settings import words
from executors.ledger import LedgerRow, append, ledger_path
from planner.memory import TrainingSetting, estimate_training, read_architecture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LLAMA = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32000, "tie_word_embeddings": False,
}  # fmt: skip
ITEMS = {"weights", "gradients", "optimizer", "activations", "logits", "temporary", "fragmentation", "context"}
INTERVAL = {"low", "expected", "high"}


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        values = {name: value for name, value in (LLAMA | changes).items() if value is not None}
        path = tmp_path / "config.json"
        path.write_text(json.dumps(values), encoding="utf-8")
        return path

    return write


def answer(said: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_json_has_every_promised_name_and_says_what_the_library_says(adapt: Callable, config: Callable) -> None:
    said = adapt("memory", config(), "--method", "qlora", "--batch", "4", "--sequence", "2048", "--json")
    report = answer(said)
    assert said.code == 0
    setting = TrainingSetting(method="qlora", batch=4, sequence=2048)
    estimate = estimate_training(read_architecture(LLAMA), setting)
    for name in ("allocated_bytes", "reserved_bytes", "device_bytes"):
        assert set(report["training"][name]) == INTERVAL
        assert tuple(report["training"][name][end] for end in ("low", "expected", "high")) == getattr(estimate, name)
    assert set(report["training"]["items"]) == ITEMS
    assert sum(report["training"]["items"].values()) == pytest.approx(estimate.device_bytes.expected, abs=16)
    assert report["parameters"] == {"total": 6738415616, "active": 6738415616, "trainable": estimate.trainable}
    assert report["fits"] is None
    assert report["effort"] is None
    assert report["changes"] is None
    assert set(report["inference"]["device_bytes"]) == INTERVAL
    assert report["rule_of_thumb"]["why"].startswith("The rule leaves out")
    assert report["provenance"] == "closed form"


@pytest.mark.parametrize("place", ["config.json", "folder", "catalog"])
def test_a_model_is_named_by_file_folder_or_id(place: str, adapt: Callable, config: Callable) -> None:
    path = config()
    name = {"config.json": path, "folder": path.parent, "catalog": "meta-llama/Llama-2-7b-hf"}[place]
    report = answer(adapt("memory", name, "--json"))
    assert report["parameters"]["total"] == 6738415616


@pytest.mark.parametrize("words_of", [["7b"], ["--params", "7e9"], ["0.5B"], ["mine", "--params", "7e9"]])
def test_a_size_alone_is_estimated_widely(words_of: list[str], adapt: Callable) -> None:
    report = answer(adapt("memory", *words_of, "--json"))
    interval = report["training"]["device_bytes"]
    assert report["provenance"] == "guess"
    assert report["assumptions"] == ["only the number of parameters is known"]
    assert interval["high"] / interval["low"] > 1.5


def test_what_does_not_fit_is_exit_code_3_with_the_cheapest_change(adapt: Callable) -> None:
    words_of = ("memory", "meta-llama/Llama-2-13b-hf", "--method", "full", "--device", "24gb")
    said = adapt(*words_of)
    assert said.code == 3
    headline = said.out.splitlines()[1]
    assert headline.startswith("It does not fit on any GPU with 24 GB")
    assert "What makes it fit, cheapest first" in said.out
    json_said = adapt(*words_of, "--json")
    report = answer(json_said)
    assert json_said.code == 3
    assert report["fits"] is False
    assert [change["fits"] for change in report["changes"]][-1] is True
    assert report["cheapest_fit"] == report["changes"][-1]
    assert report["cheapest_fit"]["device_bytes"]["high"] <= report["device"]["memory_bytes"]


def test_what_fits_says_so_first_with_time_and_money(adapt: Callable) -> None:
    said = adapt("memory", "gpt2", "--device", "a10g", "--examples", "1000", "--epochs", "2")
    assert said.code == 0
    assert said.out.splitlines()[1].startswith("It fits on NVIDIA A10G (24.1 GB): a step needs")
    assert "2,000 steps, 2,048,000 tokens" in said.out
    assert "Rule of thumb" in said.out
    for item in ITEMS:
        assert item in said.out


def test_the_users_price_stands_before_the_catalogs(adapt: Callable) -> None:
    own = answer(adapt("memory", "gpt2", "--device", "a10g", "--price", "2", "--json"))["effort"]
    assert own["usd_per_device_hour"] == {"low": 2.0, "expected": 2.0, "high": 2.0}
    assert own["priced_on"] is None
    assert answer(adapt("memory", "gpt2", "--device", "a10g", "--json"))["effort"]["priced_on"]


def test_several_devices_share_the_model(adapt: Callable) -> None:
    one = answer(adapt("memory", "70b", "--device", "h100", "--json"))
    eight = answer(adapt("memory", "70b", "--device", "8xh100", "--json"))
    assert one["fits"] is False
    assert eight["fits"] is True
    assert (eight["setting"]["sharding"], eight["setting"]["devices"]) == ("fsdp", 8)
    assert "several devices without --sharding: FSDP was taken" in eight["assumptions"]


def test_every_field_of_the_setting_is_an_option_with_its_default(adapt: Callable) -> None:
    said = "".join(adapt("memory", "--help").out.split())  # a hyphen may end a line
    for name, field in TrainingSetting.model_fields.items():
        assert f"--{name.replace('_', '-')}" in said
        for word in words(field):
            assert word in said
    assert answer(adapt("memory", "gpt2", "--json"))["setting"] == TrainingSetting().model_dump(mode="json")


BAD: dict[str, tuple[dict[str, Any], list[str], tuple[str, ...]]] = {
    "no layers": ({"num_hidden_layers": None}, [], ("num_hidden_layers",)),
    "no width": ({"hidden_size": None}, [], ("hidden_size",)),
    "zero layers": ({"num_hidden_layers": 0}, [], ("num_hidden_layers", "0")),
    "a negative vocabulary": ({"vocab_size": -1}, [], ("vocab_size", "-1")),
    "an absurd width": ({"hidden_size": 10**12}, [], ("hidden_size",)),
    "heads that do not divide": ({"num_attention_heads": 33}, [], ("num_attention_heads", "33", "4096")),
    "an unknown method": ({}, ["--method", "loar"], ("loar", "lora")),
    "an unknown module": ({}, ["--targets", "q_prj"], ("q_prj", "q_proj")),
    "an unknown optimizer": ({}, ["--optimizer", "adamw8bit"], ("adamw8bit", "adamw-8bit")),
    "rank zero": ({}, ["--rank", "0"], ("Rank 0",)),
    "a negative batch": ({}, ["--batch", "-4"], ("Batch -4",)),
    "an absurd length": ({}, ["--sequence", "99999999999"], ("99999999999",)),
    "a word for a number": ({}, ["--batch", "many"], ("many",)),
    "a device without memory": ({}, ["--device", "cpu"], ("cpu", "no memory of its own")),
    "an unknown device": ({}, ["--device", "a10gg"], ("a10gg", "a10g")),
    "a negative price": ({}, ["--device", "a10g", "--price", "-1"], ("-1",)),
    "a picture of another kind": ({}, ["--picture", "a.jpg"], ("a.jpg", ".svg")),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(name: str, adapt: Callable, config: Callable) -> None:
    changes, options, expected = BAD[name]
    said = adapt("memory", config(**changes), *options)
    text = " ".join(said.err.split())
    assert (said.code, said.out) == (2, "")
    assert "fault of its own" not in text
    for word in expected:
        assert word in text


@pytest.mark.parametrize("size", ["nan", "inf", "-7e9", "0", "1e30"])
def test_a_size_that_no_model_has_is_refused(size: str, adapt: Callable) -> None:
    said = adapt("memory", "--params", size)
    assert (said.code, said.out) == (2, "")
    assert "fault of its own" not in said.err


def test_a_model_that_nobody_knows_names_near_ones(adapt: Callable) -> None:
    said = adapt("memory", "meta-llama/Lama-2-13b-hf")
    assert said.code == 2
    assert "Llama-2-13b-hf" in " ".join(said.err.split())
    assert adapt("memory").code == 2


def rows_of(config: dict[str, Any], device: str, ratios: list[float]) -> list[LedgerRow]:
    setting = TrainingSetting(method="lora")
    expected = int(estimate_training(read_architecture(config), setting).allocated_bytes.expected)
    common: dict[str, Any] = {"time": "2026-01-01T00:00:00Z", "executor": "train", "version": "1", "rss_bytes": 10**9}
    return [
        LedgerRow(
            **common, device=device, seconds=10, allocated_bytes=int(expected * ratio), expected_bytes=expected,
            setting=setting.model_dump(mode="json"),
        )
        for ratio in ratios
    ]  # fmt: skip


def test_measurements_of_this_kind_of_device_tighten_the_estimate_and_are_shown(
    adapt: Callable, config: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ADAPT_HOME", str(tmp_path / "home"))
    ask = ("memory", config(), "--device", "a10g", "--json")
    before = answer(adapt(*ask))
    assert "Nothing was measured yet" in adapt("memory", "--ledger").out
    for row in rows_of(LLAMA, "NVIDIA A10G", [1.0, 1.004, 1.002]):
        append(ledger_path(), row)
    after = answer(adapt(*ask))
    assert after["provenance"] == "calibrated"
    assert any("3 measured runs" in text for text in after["assumptions"])
    wide, tight = (report["training"]["allocated_bytes"] for report in (before, after))
    assert tight["high"] - tight["low"] < wide["high"] - wide["low"]
    assert answer(adapt(*ask, "--no-calibration")) == before
    assert answer(adapt("memory", config(), "--device", "l4", "--json"))["provenance"] == "closed form"
    shown = adapt("memory", "--ledger")
    assert shown.out.count("NVIDIA A10G") == 3
    assert "1.004" in shown.out
    assert len(answer(adapt("memory", "--ledger", "--json"))["rows"]) == 3


def test_rows_of_a_processor_are_shown_and_never_compared(monkeypatch: pytest.MonkeyPatch, adapt: Callable,
                                                          tmp_path: Path) -> None:  # fmt: skip
    monkeypatch.setenv("ADAPT_HOME", str(tmp_path))
    rows = [row.model_copy(update={"allocated_bytes": None}) for row in rows_of(LLAMA, "cpu", [1.0] * 4)]
    assert calibration_of(rows) is None
    append(ledger_path(), rows[0])
    said = adapt("memory", "--ledger").out
    assert "1.0 GB (RSS)" in said
    assert "not compared" in said


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_picture_is_drawn_the_same_every_time(suffix: str, adapt: Callable, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"memory.{suffix}"
    contents = []
    for _ in range(2):
        adapt("memory", "gpt2", "--method", "full", "--device", "a10g", "--picture", path)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    if suffix == "svg":
        text = contents[0].decode()
        for word in ("NVIDIA A10G", "weights", "GB on one device", "rule of thumb"):
            assert word in text


def test_without_the_drawing_library_one_sentence_says_how_to_get_it(
    adapt: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    said = adapt("memory", "gpt2", "--picture", tmp_path / "a.svg")
    assert said.code == 1
    assert "pip install 'adapt-planner[plot]'" in said.err
