"""The metrics that executors measure by name, and which of them are fractions."""

from __future__ import annotations

KNOWN_METRICS: tuple[str, ...] = (
    "accuracy",
    "agreement",
    "bleu",
    "chrf",
    "code_valid",
    "contains",
    "exact_match",
    "execution_accuracy",
    "f1",
    "faithfulness",
    "final_answer",
    "html_valid",
    "json_exact",
    "json_valid",
    "judge",
    "label_accuracy",
    "macro_f1",
    "normalised_match",
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
    "sql_valid",
    "token_agreement",
    "token_f1",
    "win_rate",
    "yaml_valid",
)
# These have no upper end at 1: a target of 12 is meant. BLEU and chrF are measured as fractions, as all others are.
UNBOUNDED_METRICS = frozenset({"perplexity"})
# What the executors of this distribution measure by these names; others come from executors of the user's own.
MEASURED_METRICS = frozenset(
    {
        "accuracy",
        "agreement",
        "bleu",
        "chrf",
        "code_valid",
        "contains",
        "exact_match",
        "execution_accuracy",
        "final_answer",
        "html_valid",
        "json_exact",
        "json_valid",
        "judge",
        "label_accuracy",
        "macro_f1",
        "normalised_match",
        "perplexity",
        "preference_accuracy",
        "rouge_l",
        "schema_valid",
        "slot_f1",
        "sql_valid",
        "token_f1",
        "yaml_valid",
    }
)
# They look at the form of an answer and not at its content.
FORM_METRICS = frozenset(
    {
        "code_valid",
        "format_valid",
        "html_valid",
        "json_valid",
        "parse_rate",
        "schema_valid",
        "sql_valid",
        "syntax_valid",
        "validity",
        "yaml_valid",
    }
)
# Of these, less is more.
FALLING_METRICS = frozenset(
    {"cer", "error_rate", "hallucination_rate", "loss", "perplexity", "refusal_rate", "ter", "toxicity", "wer"}
)

BY_FORMAT: dict[str, tuple[str, ...]] = {
    "label": ("label_accuracy", "macro_f1"),
    "json": ("json_exact", "schema_valid"),
    "sql": ("exact_match", "sql_valid"),
    "code": ("exact_match", "code_valid"),
    "yaml": ("exact_match", "yaml_valid"),
    "html": ("exact_match", "html_valid"),
    "dsl": ("exact_match",),
}
BY_KIND: dict[str, tuple[str, ...]] = {
    "classification": ("exact_match",),
    "extraction": ("token_f1",),
    "semantic-parsing": ("exact_match",),
    "question-answering": ("exact_match", "token_f1"),
    "summarization": ("rouge_l",),
    "translation": ("chrf",),
    "code": ("exact_match",),
    "rewriting": ("exact_match", "rouge_l"),
}
OTHERWISE: tuple[str, ...] = ("rouge_l",)


def default_metrics(
    kind: str,
    output_format: str,
    *,
    has_schema: bool = False,
    has_labels: bool = False,
    has_database: bool = False,
    has_final_answers: bool = False,
) -> tuple[tuple[str, ...], str]:
    """Metrics for a task that names none, and why these: the first is the one that a target would be set on."""
    if output_format == "label" and not has_labels:
        return ("exact_match",), "the answers are labels, and none are listed"
    if has_labels and output_format == "text":
        return ("label_accuracy",), "the answers come from a closed set of labels"
    if has_final_answers and output_format == "text":
        return ("final_answer",), "the answers reason first and mark a final answer"
    if output_format == "sql" and has_database:
        return ("execution_accuracy", "sql_valid"), "the answers are queries, and there is a database to run them on"
    if output_format in BY_FORMAT:
        names = BY_FORMAT[output_format]
        if output_format == "json" and kind in {"semantic-parsing", "extraction"}:
            names = ("json_exact", "slot_f1", "schema_valid")
        if not has_schema:
            names = tuple("json_valid" if name == "schema_valid" else name for name in names)
        return names, f"the answers' format is {output_format}"
    return BY_KIND.get(kind, OTHERWISE), f"the task's kind is {kind}"


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of a metric is the better one."""
    return metric in FALLING_METRICS
