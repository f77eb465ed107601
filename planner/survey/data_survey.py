"""What the survey knows of one data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planner.documents.spec import Quality


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of the texts of a data set, in tokens."""

    mean: float
    p50: int
    p95: int
    max: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """Rows of a data set whose prompt also stands in another one."""

    other: str
    """The role of the other data set, such as `train`."""
    rows: int
    ids: tuple[str, ...]
    """The first of them: the row's id, or `line N`."""


@dataclass(frozen=True, slots=True)
class DataSurvey:
    """One data set: read from a file or folder, or as the spec declares it. None is unknown."""

    role: str
    """train, validation, test, preferences, documents, or `evaluation` for another file named there."""
    source: Literal["file", "folder", "declared"]
    path: str | None = None
    """As the spec gives it, relative to the spec's folder."""
    digest: str | None = None
    bytes: int | None = None
    files: int | None = None
    """Files in a folder of documents."""
    shape: str | None = None
    """messages, conversations, prompt/completion, instruction/input/output, prompt/chosen/rejected,
    prompt/completion/label or text."""
    rows: int | None = None
    quality: Quality | None = None
    tokens: Lengths | None = None
    """Prompt and completion together, without the chat template."""
    prompt_tokens: Lengths | None = None
    completion_tokens: Lengths | None = None
    mean_tokens: float | None = None
    token_source: str = "unknown"  # noqa: S105 - tokens of text
    token_characters: float | None = None
    """Characters of a token, over the documents that lengths rest on."""
    sampled_rows: int = 0
    """Rows that lengths and shares rest on."""
    duplicates: int = 0
    """Rows that repeat an earlier row's prompt and completion."""
    conflicts: int = 0
    """Rows that repeat an earlier row's prompt with another completion."""
    overlaps: tuple[Overlap, ...] = ()
    empty_completions: int = 0
    distinct_completions: int | None = None
    """None when there are too many to count."""
    labels: Mapping[str, int] = field(default_factory=dict)
    """Completions that read like labels, with their rows; empty when they do not."""
    label_share: float | None = None
    """Rows of the most frequent label, as a fraction."""
    json_share: float | None = None
    """Sampled completions that are a JSON object or list, as a fraction."""
    grounded_share: float | None = None
    """Values of sampled completions that stand in the prompt, as a fraction."""
    reasoned_share: float | None = None
    """Sampled completions that end in a marked final answer, such as `#### 42`, as a fraction."""
    multi_turn_share: float | None = None
    """Sampled rows with more than one answer, as a fraction."""

    @property
    def examples(self) -> int | None:
        """Rows, by the name that specs use."""
        return self.rows


def lengths_of(counts: Sequence[int], longest: Sequence[int] = ()) -> Lengths | None:
    """Mean, median, 95th percentile (nearest rank) and maximum; `longest` counts for the maximum only."""
    if not counts:
        return None
    ordered = sorted(counts)
    last = len(ordered) - 1
    rank = [ordered[min(last, max(0, ceil(share * len(ordered)) - 1))] for share in (0.5, 0.95)]
    mean = round(sum(ordered) / len(ordered), 2)
    return Lengths(mean=mean, p50=rank[0], p95=rank[1], max=max([ordered[-1], *longest]))


def characters_a_token(texts: Sequence[str], counts: Sequence[int]) -> float | None:
    """Characters of a token of some texts that have so many of them; None without any."""
    return round(sum(map(len, texts)) / sum(counts), 3) if any(counts) else None
