"""The experiments: each puts a failing question in one other way, and looks whether the answer becomes right.

They are made from the cheapest to the dearest, and each only on the cases that none before has explained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from executors.prompt.passages import with_passages
from executors.text_match import contains

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from executors.data import Row
    from executors.diagnose.subject import Subject

LENIENT = "lenient scoring"
GOLD = "gold passage"
OTHER = "other passage"
RETRIEVED = "retrieved passages"
EXAMPLES = "nearest examples"
CONSTRAINED = "constrained decoding"
STRONGER = "stronger model"


@dataclass(frozen=True)
class Experiment:
    """One way to put a failing question again."""

    name: str
    question: str
    """What it asks, for the report."""
    put: Callable[[Subject, Sequence[Subject]], Row | None]
    """The question as this experiment puts it, given all subjects; None for a case that it is not made on."""


class Answerer(Protocol):
    """Whoever answers: a model, or a function in a test."""

    def __call__(self, experiment: str, rows: Sequence[Row]) -> Sequence[str | None]:
        """The answer to each row under an experiment; None where the prompt does not fit the model's window."""


def run(subjects: Sequence[Subject], answer: Answerer, offered: Collection[str]) -> None:
    """Make every experiment that can be made; the subjects keep what came out.

    Args:
        subjects: failing cases.
        answer: who answers.
        offered: names of the experiments for which there is what they need.
    """
    for experiment in EXPERIMENTS:
        if experiment.name not in offered:
            continue
        put = [(subject, experiment.put(subject, subjects)) for subject in subjects]
        asked = [(subject, row) for subject, row in put if row is not None]
        if not asked:
            continue
        answers = answer(experiment.name, [row for _, row in asked])
        for (subject, _), text in zip(asked, answers, strict=True):
            if text is not None:
                subject.add(experiment.name, text)


def explained(subject: Subject) -> bool:
    """Whether the cause is told already, so that dearer experiments can be spared."""
    if subject.first.right:
        return True
    if subject.right(GOLD):
        # An answer that any passage mends did not lack that one.
        return not subject.right(OTHER)
    return any(subject.right(name) for name in (RETRIEVED, EXAMPLES, CONSTRAINED))


def _gold(subject: Subject, _: Sequence[Subject]) -> Row | None:
    lookup = subject.lookup
    if subject.first.right or lookup is None or not lookup.gold:
        return None
    # A passage that stands in the question already cannot be added to it.
    return None if subject.answer_given and not lookup.named else subject.with_gold()


def _other(subject: Subject, subjects: Sequence[Subject]) -> Row | None:
    """With the gold passage of another question, which does not hold the answer."""
    if not subject.right(GOLD):
        return None
    mine = {passage.document for passage in subject.lookup.gold} if subject.lookup else set()
    start = next(at for at, each in enumerate(subjects) if each is subject)
    for each in (*subjects[start + 1 :], *subjects[:start]):
        for passage in each.lookup.gold if each.lookup else ():
            if passage.document not in mine and not any(contains(passage.text, text) for text in subject.case.accepted):
                return with_passages(subject.row, [passage])
    return None


def _retrieved(subject: Subject, _: Sequence[Subject]) -> Row | None:
    """With what the search finds: where the gold passage helps, or nobody knows which one it is."""
    lookup = subject.lookup
    if subject.first.right or subject.given or lookup is None or not lookup.found:
        return None
    return with_passages(subject.row, lookup.found) if subject.right(GOLD) or not lookup.gold else None


def _unexplained(subject: Subject, _: Sequence[Subject]) -> Row | None:
    return None if explained(subject) else subject.as_failed()


def _constrained(subject: Subject, _: Sequence[Subject]) -> Row | None:
    """What is well-formed already cannot be mended by holding the form."""
    return None if explained(subject) or subject.first.well_formed else subject.as_failed()


EXPERIMENTS = (
    Experiment(GOLD, "Is the answer right with the passage that holds it in the prompt?", _gold),
    Experiment(OTHER, "Control: is it right with a passage about something else?", _other),
    Experiment(RETRIEVED, "Is it right with what the search finds in the prompt?", _retrieved),
    Experiment(EXAMPLES, "Is it right after the nearest training examples?", _unexplained),
    Experiment(CONSTRAINED, "Is it right, or at least well-formed, when only the form is allowed?", _constrained),
    Experiment(STRONGER, "Is it right from a stronger model?", _unexplained),
)
