"""Facts about prompts: how many examples one holds, how long it gets, how much of the context the input takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Spec

LADDER = ("book:finetuning-and-rag",)


@fact(unit="fraction", cite=LADDER)
def input_share(max_input_tokens: int, context_tokens: int) -> float:
    """Longest input as a share of the context window; above one it cannot be read."""
    return max_input_tokens / context_tokens


@fact(unit="examples", cite=(*LADDER, "liu-2023-lost-in-the-middle"))
def examples_that_fit(
    context_tokens: int, row_tokens: float, max_input_tokens: int | Unknown, thresholds: Mapping[str, float]
) -> int:
    """Examples for which the share of the context window that they may take has room, beside the input."""
    asked = row_tokens if isinstance(max_input_tokens, Unknown) else max_input_tokens
    room = context_tokens * thresholds["examples_context_share"] - thresholds["instruction_tokens"] - asked
    return max(0, int(room / row_tokens))


@fact(unit="examples", cite=LADDER)
def examples_for_labels(
    label_count: int, train_rows: int, examples_that_fit: int | Unknown, thresholds: Mapping[str, float]
) -> int:
    """Examples that show each label once, as far as rows, the context and the prompt allow."""
    fit = label_count if isinstance(examples_that_fit, Unknown) else examples_that_fit
    return min(label_count, fit, train_rows, int(thresholds["most_examples"]))


@fact(unit="examples", cite=LADDER)
def more_examples(
    spec: Spec, train_rows: int, examples_that_fit: int | Unknown, thresholds: Mapping[str, float]
) -> int | Unknown:
    """Twice the examples of the largest few-shot attempt, as far as rows, the context and the prompt allow."""
    tried = [attempt.examples for attempt in spec.attempts if attempt.approach == "few-shot" and attempt.examples]
    if not tried:
        return Unknown("no attempt says how many examples it showed")
    most = int(thresholds["most_examples"])
    fit = most if isinstance(examples_that_fit, Unknown) else examples_that_fit
    return min(2 * max(tried), fit, train_rows, most)


@fact(cite=LADDER)
def examples_pinned(spec: Spec) -> bool:
    """Whether the spec pins how many examples the prompt shows, or how they are chosen."""
    return bool({"examples", "example_choice"} & spec.overrides.keys())


@fact(cite=LADDER)
def rows_exceed_prompt(train_rows: int, examples_that_fit: int, thresholds: Mapping[str, float]) -> bool:
    """Whether there are more examples than a prompt holds or uses."""
    return train_rows > min(examples_that_fit, int(thresholds["most_examples"]))


@fact(unit="tokens", cite=("kwon-2023-vllm", "vllm-docs"))
def prefix_tokens(examples: int, row_tokens: float, rungs: list[str], thresholds: Mapping[str, float]) -> float:
    """Tokens at the start of the prompt that are the same for every request: instruction and examples."""
    shown = examples if "few-shot" in rungs else 0
    return thresholds["instruction_tokens"] + shown * row_tokens


@fact(unit="passages", cite=("liu-2023-lost-in-the-middle",))
def passages_that_fit(
    context_tokens: int, chunk_tokens: int, max_input_tokens: int | Unknown, thresholds: Mapping[str, float]
) -> int:
    """Passages for which the share of the context window that they may take has room."""
    asked = 0 if isinstance(max_input_tokens, Unknown) else min(max_input_tokens, context_tokens // 2)
    room = (context_tokens - asked) * thresholds["examples_context_share"] - thresholds["instruction_tokens"]
    return max(1, int(room / chunk_tokens))
