"""The metrics that executors measure by name, and which of them are fractions."""

from __future__ import annotations

KNOWN_METRICS: tuple[str, ...] = (
    "accuracy",
    "agreement",
    "bleu",
    "chrf",
    "contains",
    "exact_match",
    "execution_accuracy",
    "f1",
    "faithfulness",
    "json_exact",
    "json_valid",
    "label_accuracy",
    "macro_f1",
    "pass_at_1",
    "perplexity",
    "precision",
    "preference_accuracy",
    "recall",
    "recall_at_1",
    "recall_at_10",
    "recall_at_5",
    "rouge_1",
    "rouge_2",
    "rouge_l",
    "schema_valid",
    "slot_f1",
    "token_agreement",
    "token_f1",
    "win_rate",
)
# These have no upper end at 1: a target of 12 is meant.
UNBOUNDED_METRICS = frozenset({"bleu", "chrf", "perplexity"})

BY_FORMAT: dict[str, tuple[str, ...]] = {
    "label": ("label_accuracy",),
    "json": ("json_exact", "schema_valid"),
    "sql": ("exact_match",),
    "code": ("exact_match",),
    "yaml": ("exact_match",),
    "html": ("exact_match",),
    "dsl": ("exact_match",),
}
BY_KIND: dict[str, tuple[str, ...]] = {
    "classification": ("label_accuracy",),
    "extraction": ("token_f1",),
    "semantic-parsing": ("exact_match",),
    "question-answering": ("exact_match", "token_f1"),
    "summarization": ("rouge_l",),
    "translation": ("chrf",),
    "code": ("exact_match",),
}
OTHERWISE: tuple[str, ...] = ("exact_match", "rouge_l")


def default_metrics(kind: str, output_format: str, *, has_schema: bool = False) -> tuple[tuple[str, ...], str]:
    """Metrics for a task that names none, and why these: the first is the one that a target would be set on."""
    if output_format in BY_FORMAT:
        names = BY_FORMAT[output_format]
        if output_format == "json" and kind in {"semantic-parsing", "extraction"}:
            names = ("json_exact", "slot_f1", "schema_valid")
        if not has_schema:
            names = tuple("json_valid" if name == "schema_valid" else name for name in names)
        return names, f"the answers' format is {output_format}"
    return BY_KIND.get(kind, OTHERWISE), f"the task's kind is {kind}"
