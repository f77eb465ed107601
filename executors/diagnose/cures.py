"""The cheapest thing that repairs a failure, by its cause and by what told it; each with its sources."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from executors.diagnose.experiments import CONSTRAINED, EXAMPLES, GOLD, LENIENT, OTHER, STRONGER
from executors.diagnose.verdict import DOCUMENTS, READER, SHOWN_READER
from planner.documents import Cure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.documents import FailingCase
    from planner.documents.failures import Cause


class Told(NamedTuple):
    """A cure in a sentence, and the keys of its sources."""

    cure: str
    cite: tuple[str, ...]


LADDER = "book:finetuning-and-rag"
MEASURED = "adapt-measurements"
# By what told the cause; the text for the cause alone stands under the empty name.
CURES: dict[tuple[Cause, str], Told] = {
    ("behaviour", LENIENT): Told(
        "The content is there: say the form in the prompt's last sentence, constrain decoding to it, or read the "
        "answers leniently.",
        ("willard-2023-guided-generation", MEASURED),
    ),
    ("behaviour", EXAMPLES): Told(
        "Show the nearest training examples in the prompt; train only when that prompt is too long or too weak.",
        ("liu-2021-in-context-examples", LADDER),
    ),
    ("behaviour", CONSTRAINED): Told(
        "Constrain decoding to the schema or the labels: it costs nothing. Finetune for what is wrong inside the form.",
        ("dong-2024-xgrammar", "willard-2023-guided-generation"),
    ),
    ("behaviour", OTHER): Told(
        "Any change of the prompt mends these: word it anew and measure several variants before anything else.",
        (LADDER,),
    ),
    ("behaviour", READER): Told(
        "The passage was in the prompt: give fewer passages, the best one nearest to the question, or train the reader "
        "on a hundred rows with passages.",
        ("liu-2023-lost-in-the-middle", MEASURED),
    ),
    ("behaviour", GOLD): Told(
        "The best passage alone helps in part where several were given: give fewer, or train the reader on rows with "
        "passages.",
        ("liu-2023-lost-in-the-middle", MEASURED),
    ),
    ("behaviour", SHOWN_READER): Told(
        "Retrieval together with examples of short answers; then a small finetune of the reader on rows with passages.",
        (MEASURED, "ovadia-2024"),
    ),
    ("behaviour", ""): Told(
        "The answer is made of the input or of a closed set: finetune with LoRA on curated pairs, answers constrained.",
        (LADDER, "hu-2021-lora"),
    ),
    ("information", DOCUMENTS): Told(
        "The documents do not hold the answers: add those that do; no search and no training can.",
        (LADDER, "gekhman-2024-new-knowledge"),
    ),
    ("information", ""): Told(
        "Put passages into the prompt: term-based search (BM25) first, with the model as it is.",
        (LADDER, "ovadia-2024", "robertson-2009-bm25"),
    ),
    ("retrieval miss", ""): Told(
        "The documents hold the answer and the search does not find it: hybrid search, other chunks, more passages, a "
        "reranker.",
        ("cormack-2009-rrf", "nogueira-2019-reranking", LADDER),
    ),
    ("capability", STRONGER): Told(
        "A stronger model answers right: take it as the base, or let it write rows for the small one to learn from.",
        ("hinton-2015-distillation", "book:finetuning-tactics"),
    ),
    ("capability", READER): Told(
        "The passage is in the prompt, examples too, and the answer is still wrong: the reader is the limit. A "
        "stronger base; or, cheaper to try, a small finetune on rows with passages.",
        (MEASURED, "book:finetuning-tactics"),
    ),
    ("capability", ""): Told(
        "Neither evidence nor examples move the answer: do not train this model for it; try a stronger base.",
        (MEASURED, "book:finetuning-tactics"),
    ),
    ("unknown", ""): Told(
        "Read some of these cases by hand, and name what they need: training data, documents or a stronger model.",
        (LADDER,),
    ),
}


def cures(cases: Sequence[FailingCase]) -> tuple[Cure, ...]:
    """The cure of each cause that was found, the one for most cases first."""
    counts = Counter((case.cause, _known(case)) for case in cases)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Cure(cause=cause, decided_by=name, cases=count, cure=CURES[cause, name].cure, cite=CURES[cause, name].cite)
        for (cause, name), count in ordered
    )


def _known(case: FailingCase) -> str:
    """What told the cause, as far as it changes the cure."""
    name = case.decided_by.removesuffix(", in part")
    return name if (case.cause, name) in CURES else ""
