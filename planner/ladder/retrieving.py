"""Steps of the retrieval rungs: an index over the documents, and answers with passages in the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Input, Step
from planner.ladder.prompting import SEED, add_prompt, answering, evaluate

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

FIRST_SEARCH = "bm25"
HYBRID = "hybrid"


def retrieving(draft: Draft, kind: str | None = None) -> None:
    """An index over the documents, and answers with passages in the prompt.

    Args:
        draft: the plan so far.
        kind: the way of searching; by default the one that was decided.
    """
    decided = str(draft.answer("retrieval"))
    method = kind or (FIRST_SEARCH if decided == "none" else decided)
    inputs = {"documents": Input(pin="data/documents")}
    if method != FIRST_SEARCH:
        inputs["encoder"] = Input(pin="model/encoder")
    index = draft.add(
        Step(
            address=f"retrieve/{method}",
            title=f"Index the documents for {method} search",
            executor="retrieve",
            version="1",
            inputs=inputs,
            params={
                "method": method,
                "chunk_tokens": [int(draft.answer("chunk_tokens"))],
                "overlap": draft.thresholds["passage_overlap"],
                "passages": int(draft.answer("passages")),
                "language": None,
                "seed": SEED,
            },
            outputs=("index",),
            gates=draft.gates(),
        ),
        because=("retrieval", "chunk_tokens", "passages"),
    )
    if "prompt/zero-shot" not in draft.steps:
        add_prompt(draft, "zero-shot", examples=0, show_form=True, gates=draft.gates())
    evaluate(
        draft,
        method,
        "Measure the answers with retrieved passages",
        rung=f"rag ({method})",
        inputs={
            **answering(draft),
            "prompt": Input(step="prompt/zero-shot", output="prompt"),
            "index": Input(step=index, output="index"),
        },
        because=("approach", "retrieval"),
    )
