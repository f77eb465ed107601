"""Random specs over the whole vocabulary of a spec: declared data only, so that they need no file.

Every choice goes through one function that picks from a list: hypothesis's, so that a failing spec shrinks to a small
one, or a seeded random number generator's, so that a thousand specs are the same on every machine.
"""

from __future__ import annotations

import copy
import os
import random
from typing import TYPE_CHECKING, Any, get_args

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from planner.documents.spec import Approach, Attempt, Constraints, Merge, Quality
from planner.documents.task import Knowledge, OutputFormat, TaskKind
from planner.survey.failures import CAUSES
from planner.survey.metrics import KNOWN_METRICS, UNBOUNDED_METRICS
from planner.survey.symptoms import SYMPTOMS
from tests.planner.specs import EXPLORED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from planner.documents import Plan

    Pick = Callable[[Sequence[Any]], Any]

EXAMPLES = int(os.environ.get("ADAPT_EXAMPLES", "25"))
"""Specs a law is tried on; a thousand take some minutes."""
RELAXED = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
CHARACTERS = "abcdefghijklmnopqrstuvwxyz"
COUNTS = (0, 1, 20, 60, 100, 300, 500, 1000, 3000, 6000, 10_000, 30_000, 50_000, 200_000, 2_000_000)
LENGTHS = (5.0, 60.0, 200.0, 700.0, 3000.0, 12_000.0, 100_000.0)
# Of the catalog: every family of architecture, small and large, allowed and forbidden for products.
CATALOG = (
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "Qwen/Qwen2.5-0.5B-Instruct",
    "Qwen/Qwen2.5-1.5B-Instruct",
    "Qwen/Qwen2.5-7B-Instruct",
    "Qwen/Qwen2.5-72B-Instruct",
    "Qwen/Qwen3-30B-A3B",
    "meta-llama/Llama-2-7b-hf",
    "meta-llama/Llama-2-13b-hf",
    "meta-llama/Llama-3.1-8B-Instruct",
    "meta-llama/Llama-3.1-70B-Instruct",
    "mistralai/Mistral-7B-Instruct-v0.3",
    "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "deepseek-ai/DeepSeek-V2-Lite",
    "deepseek-ai/DeepSeek-R1",
    "openai/gpt-oss-20b",
    "openai-community/gpt2",
    "EleutherAI/pythia-160m",
    "tiiuae/falcon-7b",
    "google/gemma-2-9b-it",
    "google/flan-t5-base",
    "google/flan-t5-xxl",
    "google-bert/bert-base-uncased",
    "FacebookAI/roberta-large",
    "answerdotai/ModernBERT-base",
    "CohereLabs/aya-23-8B",
    "huggyllama/llama-30b",
    "bigcode/starcoder2-3b",
)
UNKNOWN = ("house/one", "house/two", "base-3b")
SIZES = (50_000_000, 1_000_000_000, 3_000_000_000, 7_000_000_000, 65_000_000_000, 400_000_000_000)
LICENCES = ("apache-2.0", "mit", "cc-by-nc-4.0", "llama3.1", "house rules")
MACHINES: tuple[Any, ...] = (
    "a10g",
    "8xh100",
    "t4",
    "m2-max",
    "jetson-orin-nano-8gb",
    "mi300x",
    "tpu-v5e",
    "cpu",
    {"devices": [{"name": "CPU", "memory_gb": 0}]},
    {"devices": [{"name": "CPU", "memory_gb": 0, "count": 1}], "host_memory_gb": 64, "disk_gb": 200},
    {"devices": [{"name": "H100", "memory_gb": 80, "count": 8}], "nodes": 4, "host_memory_gb": 2000},
    {"devices": [{"name": "A100", "memory_gb": 80}, {"name": "T4", "memory_gb": 16, "count": 2}]},
)
GPUS = ("A100", "RTX 4090", "T4", "V100", "L4", "H100", "MI300X", "a card of tomorrow")
MEMORY_GB = (2, 8, 11, 16, 24, 40, 48, 80, 192)
METHODS = ("full", "lora", "qlora", "dora", "prompt-tuning", "of my own")
MERGES = (None, "linear", "slerp", "ties", "dare-ties", "concatenation", "passthrough", "of my own")
TARGETS = ("accuracy", "label_accuracy", "f1", "perplexity", "json_valid", "a metric of my own")
SYMPTOM_WORDS = (*CAUSES, *SYMPTOMS, "cost", "purple")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def words(model: Any, field: str) -> tuple[Any, ...]:
    """The words that a field of a document takes."""
    hint = model.model_fields[field].annotation
    return tuple(word for each in (hint, *get_args(hint)) for word in get_args(each) if isinstance(word, str))


def make_spec(pick: Pick) -> dict[str, Any]:
    """A valid spec that names no files and pins nothing."""
    spec: dict[str, Any] = {"name": pick(("first", "second")), "task": task(pick), "models": models(pick)}
    spec["hardware"] = hardware(pick)
    optional = {
        "data": data,
        "evaluation": evaluation,
        "attempts": attempts,
        "failures": failures,
        "constraints": constraints,
    }
    spec |= {name: make(pick) for name, make in optional.items() if pick((True, True, False))}
    if pick((True, *(False,) * 5)):
        spec["merge"] = merge(pick)
    return spec


def task(pick: Pick) -> dict[str, Any]:
    made: dict[str, Any] = {"description": "Do the work", "kind": pick(get_args(TaskKind))}
    form: dict[str, Any] = {"format": pick(get_args(OutputFormat)), "rarity": pick(("common", "rare"))}
    if form["format"] in ("label", "json") and pick((True, False)):
        form["labels"] = ["bug", "billing", "other"][: pick((2, 3))]
    if form["format"] in ("json", "yaml") and pick((True, False)):
        form["schema"] = SCHEMA
    made["output"] = form
    if pick((True, False)):
        made["knowledge"] = {"freshness": pick(words(Knowledge, "freshness")), "private": pick((True, False))}
    made["changes"] = pick(("rarely", "rarely", "monthly", "weekly"))
    made["other_tasks"] = [{"name": f"skill-{index}"} for index in range(pick((0, 0, 0, 1, 3)))]
    made["tenants"] = pick((1, 1, 1, 2, 100))
    made["infilling"] = pick((False, False, False, True))
    if pick((True, False)):
        made["max_input_tokens"] = pick((50, 2000, 20_000, 1_000_000))
    return made


def models(pick: Pick) -> list[dict[str, Any]]:
    """One model that can be adapted, and perhaps others in any role."""
    made = [model(pick) | {"role": pick(("candidate", "candidate", "student"))}]
    for _ in range(pick((0, 0, 1, 2))):
        other = model(pick) | {"role": pick(("candidate", "teacher", "student", "draft"))}
        if other["id"] not in [each["id"] for each in made]:
            made.append(other)
    return made


def model(pick: Pick) -> dict[str, Any]:
    if pick((True, True, False)):
        return {"id": pick(CATALOG)}
    made: dict[str, Any] = {"id": pick(UNKNOWN), "params": pick(SIZES)}
    if pick((True, False)):
        made["dtype"] = pick(("fp32", "fp16", "bf16", "fp8", "int8", "int4"))
    if pick((True, False)):
        made["license"] = pick(LICENCES)
    return made


def hardware(pick: Pick) -> Any:
    return pick(MACHINES) if pick((True, False)) else gpus(pick)


def gpus(pick: Pick) -> dict[str, Any]:
    device = {"name": pick(GPUS), "memory_gb": pick(MEMORY_GB), "count": pick((1, 1, 2, 8))}
    return {"devices": [device], "nodes": pick((1, 1, 1, 2)), "host_memory_gb": pick((16, 128, 1000))}


def data(pick: Pick) -> dict[str, Any]:
    """Data sets by their sizes."""
    made = {}
    for role in ("train", "validation", "test", "preferences", "documents"):
        if pick((True, False)):
            source: dict[str, Any] = {"examples": pick(COUNTS)}
            if pick((True, False)):
                source["mean_tokens"] = pick(LENGTHS)
            if pick((True, False)):
                source["quality"] = pick(get_args(Quality))
            made[role] = source
    return made


def evaluation(pick: Pick) -> dict[str, Any]:
    names = sorted({pick(("accuracy", *TARGETS)) for _ in range(pick((0, 1, 1, 2)))})
    made: dict[str, Any] = {"metrics": names}
    if names and pick((True, True, False)):
        made["target"] = {name: 12.0 if name in UNBOUNDED_METRICS else pick((0.5, 0.9, 1.0)) for name in names}
    return made


def attempts(pick: Pick) -> list[dict[str, Any]]:
    explored = copy.deepcopy(EXPLORED) if pick((True, False)) else []
    return explored + [attempt(pick) for _ in range(pick((0, 1, 2, 2, 4)))]


def attempt(pick: Pick) -> dict[str, Any]:
    made: dict[str, Any] = {"approach": pick(get_args(Approach))}
    options: dict[str, tuple[Any, ...]] = {
        "prompts_tried": (0, 1, 5, 12, 200),
        "examples": (0, 1, 8, 50, 5000),
        "retrieval": words(Attempt, "retrieval"),
        "method": METHODS,
    }
    made |= {name: pick(values) for name, values in options.items() if pick((True, False))}
    if pick((True, True, False)):
        # Often the metric of the explored prompts, so that gains can be told.
        metric = pick(("accuracy", "accuracy", pick((*TARGETS, *KNOWN_METRICS))))
        made["metrics"] = {metric: pick((0.0, 0.3, 0.61, 0.75, 0.95))}
    return made


def failures(pick: Pick) -> dict[str, int]:
    told = pick(({}, {"behaviour": 40}, {"information": 30}, {"style": 25, "missing": 1}))
    return told | {pick(SYMPTOM_WORDS): pick((0, 1, 3, 30, 300)) for _ in range(pick((0, 0, 1, 2, 4)))}


def constraints(pick: Pick) -> dict[str, Any]:
    options: dict[str, tuple[Any, ...]] = {
        "max_hours": (0.1, 2.0, 500.0),
        "budget_usd": (0.0, 5.0, 10_000.0),
        "latency_ms": (5.0, 300.0),
        "max_serving_memory_gb": (0.5, 4.0, 24.0, 200.0),
        "deployment": words(Constraints, "deployment"),
        "license_use": words(Constraints, "license_use"),
        "offline": (True, False),
        "ml_experience": words(Constraints, "ml_experience"),
        "maintenance_owner": (True, False),
    }
    assert set(options) == set(Constraints.model_fields)
    return {name: pick(values) for name, values in options.items() if pick((True, False, False))}


def merge(pick: Pick) -> dict[str, Any]:
    sources = [{"id": f"part-{index}", "base": pick(UNKNOWN)} for index in range(pick((1, 2, 2, 3, 6)))]
    made: dict[str, Any] = {"sources": sources, "intent": pick(get_args(Merge.model_fields["intent"].annotation))}
    method = pick(MERGES)
    if method:
        made["method"] = method
    if pick((True, False)):
        made["target_layers"] = pick((1, 48, 200))
    return made


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """Specs for hypothesis."""
    return make_spec(lambda options: draw(st.sampled_from(options)))


def seeded_specs(seed: int, count: int) -> list[dict[str, Any]]:
    """As many specs as asked for, the same for the same seed."""
    generator = random.Random(seed)  # noqa: S311 - nothing secret
    return [make_spec(generator.choice) for _ in range(count)]


def answer(document: Plan, question: str) -> Any:
    decision = document.decision(question)
    assert decision is not None, question
    return decision.answer
