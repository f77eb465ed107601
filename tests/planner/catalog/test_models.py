import json

import pytest

from planner.catalog import CatalogError, CatalogModel, all_models, find_model, is_known_model, model_ids
from planner.catalog.models import DATA


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("META-LLAMA/llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        (" Llama-3.1-8B ", "meta-llama/Llama-3.1-8B"),
        ("meta-llama/Meta-Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("gpt2", "openai-community/gpt2"),
        ("bert-base-uncased", "google-bert/bert-base-uncased"),
        ("command-r", "CohereLabs/c4ai-command-r-v01"),
        ("huggyllama/llama-65b", "huggyllama/llama-65b"),
    ],
)
def test_a_model_is_found_by_id_alias_or_bare_name_in_any_case(name: str, expected: str) -> None:
    assert find_model(name).id == expected
    assert is_known_model(name)


def test_an_unknown_model_shows_near_names_and_what_to_do() -> None:
    with pytest.raises(CatalogError) as caught:
        find_model("meta-llama/Llama-3.1-8B-Instuct")
    assert "meta-llama/Llama-3.1-8B-Instruct" in caught.value.near
    assert "adapt models" in str(caught.value)
    assert not is_known_model("meta-llama/Llama-3.1-8B-Instuct")


@pytest.mark.parametrize("name", ["", "/", "no-such-organisation/no-such-model"])
def test_a_name_that_is_nowhere_near_is_refused(name: str) -> None:
    with pytest.raises(CatalogError, match="is not in the catalog"):
        find_model(name)


def test_there_are_enough_models_sorted_within_their_files() -> None:
    assert len(model_ids()) >= 55
    for path in DATA.glob("*.json"):
        ids = [entry["id"].lower() for entry in json.loads(path.read_text(encoding="utf-8"))["models"]]
        assert ids == sorted(ids), path.name


def test_no_model_is_written_twice_and_no_alias_hides_a_model() -> None:
    written = [entry["id"] for path in DATA.glob("*.json") for entry in json.loads(path.read_text("utf-8"))["models"]]
    assert sorted(written) == sorted(set(written))
    for model in all_models():
        assert find_model(model.id).id == model.id
        assert find_model(model.id.lower()).id == model.id
        for alias in model.aliases:
            assert find_model(alias).id == model.id, alias


@pytest.mark.parametrize("model", all_models(), ids=lambda model: model.id)
def test_every_model_is_complete(model: CatalogModel) -> None:
    assert model.organisation
    assert model.id.count("/") == 1
    assert model.source.startswith("https://")
    assert model.config["model_type"]
    text = model.config.get("text_config", model.config)
    assert isinstance(text, dict)
    stretched = text.get("model_max_length", text.get("max_position_embeddings", text.get("n_positions")))
    assert isinstance(stretched, int)
    assert model.context_tokens <= stretched
    assert model.trained_dtype != model.dtype
    if "NC" in model.licence or "Research" in model.licence:
        assert not model.commercial_use
