"""Steps of the retrieval rung: an index over the documents, and answers with passages in the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Input, Step
from planner.ladder.prompting import SEED, add_prompt, base_model, evaluate

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

PASSAGES = 5
CHUNK_TOKENS = 256


def retrieving(draft: Draft) -> None:
    """An index over the documents, and answers with passages in the prompt."""
    kind = draft.answer("retrieval")
    kind = "bm25" if kind == "none" else kind
    index = draft.add(
        Step(
            address=f"retrieve/{kind}",
            title=f"Index the documents for {kind} search",
            executor="retrieve",
            version="1",
            inputs={"documents": Input(pin="data/documents")},
            params={"method": kind, "chunk_tokens": CHUNK_TOKENS, "passages": PASSAGES, "seed": SEED},
            outputs=("index",),
            gates=draft.gates(),
        ),
        because=("retrieval",),
    )
    if "prompt/zero-shot" not in draft.steps:
        add_prompt(draft, "zero-shot", examples=0, show_form=True, gates=draft.gates())
    evaluate(
        draft,
        kind,
        "Measure the answers with retrieved passages",
        rung=f"rag ({kind})",
        inputs={
            "model": base_model(draft),
            "prompt": Input(step="prompt/zero-shot", output="prompt"),
            "index": Input(step=index, output="index"),
        },
        because=("approach", "retrieval"),
    )
