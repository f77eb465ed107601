"""`adapt fit`: what a device trains, which devices train a model, and how fast the whole catalog is answered."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from adapt.estimates import every_model, fit_rows, target_of
from adapt.estimates.fitting import METHODS
from planner.memory import TrainingSetting, estimate_training, read_architecture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LLAMA = "meta-llama/Llama-3.1-8B"


def answer(said: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_the_whole_catalog_and_every_method_take_about_a_second() -> None:
    started = time.process_time()
    rows = fit_rows(every_model(), METHODS, target_of("24gb"), TrainingSetting())
    # Under one second of a processor on an idle machine; the rest is for others that run tests on it.
    assert time.process_time() - started < 3
    assert len(rows) == len(METHODS) * len({row["model"] for row in rows})
    sizes = [row["parameters"] for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert {row["method"] for row in rows if row["fits"]} >= {"full", "lora", "qlora", "ia3", "linear-probe"}


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_the_largest_micro_batch_fits_and_one_more_does_not(method: str, adapt: Callable) -> None:
    report = answer(adapt("fit", "--device", "a100-80gb", "--model", LLAMA, "--method", method, "--json"))
    [row] = report["rows"]
    from planner.catalog import find_model

    shape = read_architecture(find_model(LLAMA).config)
    room = report["device"]["memory_bytes"]

    def fits(batch: int, sequence: int) -> bool:
        setting = TrainingSetting(method=method, batch=max(batch, 1), sequence=max(sequence, 1))  # type: ignore[arg-type]
        return estimate_training(shape, setting).fits(room)

    assert row["fits"] is (row["largest_batch"] > 0)
    assert fits(row["largest_batch"], row["sequence"]) or not row["fits"]
    assert not fits(row["largest_batch"] + 1, row["sequence"])
    assert fits(1, row["longest_sequence"]) or not row["fits"]


def test_the_table_starts_with_the_answer_and_the_largest_models(adapt: Callable) -> None:
    said = adapt("fit", "--device", "24gb")
    assert said.code == 0
    assert said.out.startswith("On any GPU with 24 GB (24.0 GB): of ")
    assert "qlora train there" in said.out.splitlines()[0]
    assert "30b" in said.out.splitlines()[3]
    assert "more rows: narrow with --model, or see all with --all" in said.out
    assert len(adapt("fit", "--device", "24gb", "--all").out) > len(said.out)


def test_a_smaller_model_says_its_speed_and_price_as_intervals(adapt: Callable) -> None:
    rows = answer(adapt("fit", "--device", "a10g", "--model", LLAMA, "--method", "lora,qlora", "--json"))["rows"]
    assert [row["method"] for row in rows] == ["lora", "qlora"]
    for row in rows:
        for name in ("tokens_per_s", "usd_per_million_tokens"):
            assert row[name]["low"] < row[name]["expected"] < row[name]["high"]


def test_a_length_is_at_most_the_models_positions(adapt: Callable) -> None:
    [row] = answer(
        adapt("fit", "--device", "80gb", "--model", "gpt2", "--method", "lora", "--sequence", "4096", "--json")
    )["rows"]
    assert (row["sequence"], row["longest_sequence"]) == (1024, 1024)


def test_for_a_model_the_devices_are_listed_cheapest_first_with_how_many(adapt: Callable) -> None:
    said = adapt("fit", "--for", "meta-llama/Llama-3.1-70B", "--method", "qlora")
    assert "cheapest first" in said.out.splitlines()[0]
    assert " x a100-40gb" in said.out
    rows = answer(adapt("fit", "--for", "meta-llama/Llama-3.1-70B", "--method", "qlora", "--json"))["rows"]
    prices = [
        row["usd_per_million_tokens"]["expected"] for row in rows if row["fits"] and row["usd_per_million_tokens"]
    ]
    assert prices == sorted(prices)
    assert {row["devices"] for row in rows if row["device"].startswith("m1")} == {1}
    for row in rows:
        assert not row["fits"] or row["device_bytes"]["high"] <= row["memory_bytes"]


def test_a_method_that_a_model_cannot_have_says_why(adapt: Callable) -> None:
    [row] = answer(adapt("fit", "--device", "24gb", "--model", LLAMA, "--method", "bitfit", "--json"))["rows"]
    assert row["fits"] is False
    assert "no biases" in row["why_not"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "No device is named"),
        (["--device", "24gb", "--method", "loar"], "lora"),
        (["--device", "24gb", "--model", "no/such"], "no/such"),
        (["--device", "cpu"], "no memory of its own"),
        (["--device", "24gb", "--sequence", "0"], "Sequence 0"),
        (["--device", "0gb"], "0"),
        (["--for", "gpt2", "--price", "1"], "One price"),
        (["--for", "gpt2", "--method", "lora,full"], "one method"),
        (["--device", "24gb", "--picture", "no/such/a.svg"], "no/such"),
        (["--device", "1gb", "--model", "70b", "--picture", "a.svg"], "nothing to draw"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(options: list[str], expected: str, adapt: Callable) -> None:
    said = adapt("fit", *options)
    assert (said.code, said.out) == (2, "")
    assert expected in " ".join(said.err.split())
    assert "fault of its own" not in said.err


@pytest.mark.parametrize("options", [["--device", "24gb"], ["--for", "gpt2", "--method", "full"]])
def test_a_picture_shows_the_rows(options: list[str], adapt: Callable, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "fit.svg"
    assert adapt("fit", *options, "--picture", path).code == 0
    text = path.read_text(encoding="utf-8")
    assert "GB on one device" in text
    assert "weights" in text
