import copy
import json
from typing import Any

import pytest

from planner.catalog import CatalogModel, all_models

# transformers 5 ties T5's head whatever the config says; the published flan-t5 checkpoints hold a head of their own.
UNTIED_IN_CHECKPOINT = ("google/flan-t5-",)


@pytest.mark.slow
def test_every_parameter_count_is_what_transformers_builds() -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    heads = {
        "causal": transformers.AutoModelForCausalLM,
        "encoder": transformers.AutoModel,
        "encoder-decoder": transformers.AutoModelForSeq2SeqLM,
        "image-text": transformers.AutoModelForImageTextToText,
        "masked": transformers.AutoModelForMaskedLM,
    }
    built: dict[str, int] = {}
    wrong = {}
    for model in all_models():
        shape = json.dumps([model.task, model.config], sort_keys=True)
        if shape not in built:
            config: Any = transformers.AutoConfig.for_model(**copy.deepcopy(model.config))
            with torch.device("meta"):
                built[shape] = sum(p.numel() for p in heads[model.task].from_config(config).parameters())
        counted = built[shape] + _untied_head(model)
        if counted != model.params:
            wrong[model.id] = (model.params, counted)
    assert wrong == {}


def _untied_head(model: CatalogModel) -> int:
    if not model.id.startswith(UNTIED_IN_CHECKPOINT):
        return 0
    vocabulary, width = model.config["vocab_size"], model.config["d_model"]
    assert isinstance(vocabulary, int)
    assert isinstance(width, int)
    return vocabulary * width
