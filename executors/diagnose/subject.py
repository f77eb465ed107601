"""A failing case under examination: what it was, and what each experiment made of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from executors.diagnose.content import content, is_right, well_formed
from executors.prompt.passages import with_passages
from executors.text_match import contains

if TYPE_CHECKING:
    from executors.data import Row
    from executors.evaluate.case import Case
    from executors.retrieve.chunks import Passage
    from planner.documents import Evidence
    from planner.documents.failures import Symptom


@dataclass(frozen=True)
class Lookup:
    """What the documents have for a question."""

    gold: tuple[Passage, ...] = ()
    """The passage that holds the answer: of the gold document, or found by the answer's words."""
    found: tuple[Passage, ...] = ()
    """What a search by the question gives, the best first."""
    rank: int | None = None
    """Rank of the first found passage that holds the answer; None when none of those that a prompt is given does."""
    held: bool | None = None
    """Whether the answer stands anywhere in the documents; None when that was not looked for."""
    named: bool = False
    """Whether the gold document is named by the data, rather than found by the answer's words."""


@dataclass(frozen=True)
class Trial:
    """The answer under one experiment."""

    case: Case
    score: float
    """Content, 0 to 1; see `content`."""
    right: bool
    well_formed: bool


def tried(case: Case) -> Trial:
    """An answer, looked at."""
    score = content(case)
    return Trial(case, score, is_right(case, score), well_formed(case))


@dataclass
class Subject:
    """A failing case and its trials so far, by experiment."""

    row: Row
    case: Case
    symptom: Symptom
    seen: tuple[Evidence, ...]
    """What told the symptom."""
    given: tuple[str, ...] = ()
    """Documents whose passages were in the prompt when it failed."""
    lookup: Lookup | None = None
    """None when there are no documents, or the kind of task has no use for them."""
    one_of_few: bool = False
    """Whether many training rows give the expected answer."""
    trials: dict[str, Trial] = field(default_factory=dict)

    @cached_property
    def first(self) -> Trial:
        """The answer that failed, read leniently."""
        return tried(self.case)

    @property
    def request(self) -> str:
        """Everything that the prompt says of this case, the instruction and passages aside."""
        return "\n".join([*(turn["content"] for turn in self.row.before), self.row.prompt])

    @property
    def answer_given(self) -> bool:
        """Whether an accepted answer stands in the request itself."""
        return any(contains(self.request, text) for text in self.case.accepted)

    def right(self, experiment: str) -> bool:
        """Whether an experiment was made and its answer was right."""
        return experiment in self.trials and self.trials[experiment].right

    def add(self, experiment: str, prediction: str) -> None:
        """Keep what an experiment made of the case."""
        self.trials[experiment] = tried(replace(self.case, prediction=prediction))

    def gain(self, experiment: str) -> float:
        """How much content an experiment added."""
        return self.trials[experiment].score - self.first.score if experiment in self.trials else 0.0

    def with_gold(self) -> Row:
        """The question with the passage that holds the answer."""
        return with_passages(self.row, self.lookup.gold if self.lookup else ())

    def as_failed(self) -> Row:
        """The question as it was put when it failed; with the gold passage where that alone did not help."""
        if "gold passage" in self.trials:
            return self.with_gold()
        return with_passages(self.row, self.lookup.found) if self.given and self.lookup else self.row
