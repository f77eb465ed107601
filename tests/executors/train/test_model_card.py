from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executors.train.model_card import card, licence_of
from planner.documents import fingerprint
from tests.executors.tiny import PLACES
from tests.executors.train.jobs import METHODS, make_job
from tests.executors.train.labelled import head_job

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("method", METHODS)
def test_a_hub_reads_the_front_matter_and_the_body_names_data_and_recipe(
    method: str, tiny_model: Path, tmp_path: Path
) -> None:
    from huggingface_hub import ModelCard

    job = make_job(tmp_path, tiny_model, method=method)
    text = card(job, (), {"rows": "32", "validation_loss": "0.4100"})
    data = ModelCard(text).data
    assert data.tags == [method, "sft"]
    assert data.pipeline_tag == "text-generation"
    assert (data.library_name is None) == (method == "adapter")
    content, size = fingerprint(tmp_path / "train.jsonl")
    assert f"| train | train.jsonl | {content} | {size:,} |" in text
    assert f"| learning rate | {job.params.learning_rate} |" in text
    assert "| validation loss | 0.4100 |" in text
    assert "name no licence" in text
    assert str(tmp_path) not in text


def test_a_head_says_its_labels_and_how_it_is_loaded(tiny_model: Path, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    text = card(head_job(tmp_path, tiny_model), PLACES, {})
    assert ModelCard(text).data.pipeline_tag == "text-classification"
    assert "AutoModelForSequenceClassification.from_pretrained(base_folder, num_labels=5, pad_token_id=...)" in text
    assert f"Labels, in the order of the scores: {', '.join(PLACES)}." in text


def test_the_licence_is_that_of_the_base(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("some terms", encoding="utf-8")
    assert licence_of(tmp_path) == ("", "Its licence stands in its file LICENSE, and holds for what was made of it.")
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# A base\n", encoding="utf-8")
    assert licence_of(tmp_path)[0] == "apache-2.0"
