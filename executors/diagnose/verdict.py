"""From what the experiments showed to the cause: pure, and in the order in which cures are cheap."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from executors.diagnose.causes import PICKS, presumed
from executors.diagnose.experiments import (
    CONSTRAINED,
    EXAMPLES,
    EXPERIMENTS,
    GOLD,
    LENIENT,
    OTHER,
    RETRIEVED,
    STRONGER,
)
from executors.diagnose.subject import Lookup
from planner.documents import Evidence

if TYPE_CHECKING:
    from executors.diagnose.subject import Subject, Trial
    from planner.documents.failures import Cause
    from planner.documents.task import TaskKind

# Content that must be gained before a repair that is not whole counts as a sign.
PARTLY = 0.2
SHOWN = 120
SEARCH = "search"
READER = "reader"
DOCUMENTS = "documents"
SHOWN_READER = "reader, shown how"
NOTHING = "nothing helps"


class Verdict(NamedTuple):
    """A cause, what told it, and the evidence."""

    cause: Cause
    decided_by: str
    measured: bool
    evidence: tuple[Evidence, ...]


def decide(subject: Subject, kind: TaskKind) -> Verdict:
    """The cause of a failing case.

    What repairs an answer names its cause. Where nothing repairs it whole, a part does; where nothing moves it at all,
    the text tells what it can, and the rest is said to be unknown.
    """
    evidence = [*subject.seen, *_looked_up(subject), *_trials(subject)]
    cause, decided_by, measured, why = _repaired(subject) or _in_part(subject) or _unmoved(subject, kind)
    return Verdict(cause, decided_by, measured, (*evidence, *why))


Found = tuple["Cause", str, bool, tuple[Evidence, ...]]


def _repaired(subject: Subject) -> Found | None:
    """The cause by what makes the answer right."""
    if subject.first.right:
        result = "The content is right when the answer is read leniently: the form fails."
        return "behaviour", LENIENT, True, (Evidence(test=LENIENT, result=result),)
    if subject.right(GOLD):
        return _mended_by_any(subject) if subject.right(OTHER) else _informed(subject)
    if subject.right(RETRIEVED):
        return "information", RETRIEVED, True, ()
    return _shown(subject)


def _mended_by_any(subject: Subject) -> Found:
    """The control repairs the answer too."""
    said = subject.trials[OTHER].case.prediction
    result = f"A passage about something else repairs the answer as well ({said[:SHOWN]}): the information was not it."
    return "behaviour", OTHER, True, (Evidence(test=OTHER, result=result),)


def _informed(subject: Subject) -> Found:
    """The gold passage repairs the answer: was it there, can it be found?"""
    lookup = subject.lookup or Lookup()
    if _was_given(subject):
        result = "The passage was in the prompt among others when the answer failed: the reader did not use it."
        return "behaviour", READER, True, (Evidence(test=READER, result=result),)
    if lookup.found and lookup.rank is None:
        result = f"The search does not have it among the {len(lookup.found)} passages that it gives."
        return "retrieval miss", SEARCH, True, (Evidence(test=SEARCH, result=result),)
    return "information", GOLD, True, ()


def _shown(subject: Subject) -> Found | None:
    """No information repairs the answer, but being shown, being held to the form, or another model."""
    for name in (EXAMPLES, CONSTRAINED):
        if subject.right(name):
            if GOLD in subject.trials:
                result = "The passage alone did not help, with it in the prompt this did: the reader can be shown how."
                return "behaviour", SHOWN_READER, True, (Evidence(test=READER, result=result),)
            return "behaviour", name, True, ()
    return ("capability", STRONGER, True, ()) if subject.right(STRONGER) else None


def _in_part(subject: Subject) -> Found | None:
    """The cause by what moves the answer most towards the right one, or into its form without loss."""
    # Examples and held form come with the passage where there is one: what they add is beyond what it added.
    passage = max(0.0, subject.gain(GOLD))
    parts = [(passage, GOLD)] if passage >= PARTLY else []
    for name in (EXAMPLES, CONSTRAINED):
        trial = subject.trials.get(name)
        own = subject.gain(name) - passage
        if trial is not None and (own >= PARTLY or (own >= 0 and _mends_form(subject, trial))):
            parts.append((own, name))
    if not parts:
        return None
    best, name = max(parts, key=lambda part: part[0])
    result = f"Not right, but {_points(best)} of content"
    trial = subject.trials[name]
    result += ", and the form holds." if _mends_form(subject, trial) else "."
    lacked = name == GOLD and subject.gain(OTHER) < best and not _was_given(subject)
    cause: Cause = "information" if lacked else "behaviour"
    return cause, f"{name}, in part", True, (Evidence(test=f"{name}, in part", result=result),)


def _was_given(subject: Subject) -> bool:
    """Whether the document that holds the answer was in the prompt when it failed."""
    gold = subject.lookup.gold if subject.lookup else ()
    return bool({passage.document for passage in gold} & set(subject.given))


def _mends_form(subject: Subject, trial: Trial) -> bool:
    return trial.well_formed and not subject.first.well_formed


def _unmoved(subject: Subject, kind: TaskKind) -> Found:
    """Nothing moves the answer: what the text can tell, and what may honestly be said."""
    lookup, moved = subject.lookup, tuple(name for name in (GOLD, EXAMPLES, STRONGER) if name in subject.trials)
    if lookup is not None and GOLD not in moved and RETRIEVED not in subject.trials and not subject.answer_given:
        found = _by_search(subject)
        if found is not None:
            return found
    if subject.symptom == "wrong content" and kind not in PICKS and GOLD in moved and len(moved) > 1:
        result = (
            f"Neither {' nor '.join(moved)} moves the answer: this model cannot do it, more retrieval will not help."
        )
        return "capability", READER, True, (Evidence(test=READER, result=result),)
    cause, why = presumed(subject.case, subject.symptom, subject.request, kind, one_of_few=subject.one_of_few)
    if cause == "information" and GOLD in moved:
        result = "The passage is there and does not help: the reader is the limit; form or ability is not told apart."
        return "unknown", NOTHING, True, (Evidence(test=READER, result=result),)
    if moved and cause == "unknown":
        result = f"Made without success: {', '.join(moved)}. A stronger model would tell whether it is the ability."
        why = (*why, Evidence(test=NOTHING, result=result))
    return cause, why[-1].test, False, why


def _by_search(subject: Subject) -> Found | None:
    """What a search of the documents says where no model was asked."""
    lookup = subject.lookup
    if lookup is None or subject.symptom != "wrong content":
        return None
    if lookup.rank is not None and subject.given:
        result = "The answer was in the prompt's passages: presumed that the reader did not use it."
        return "behaviour", READER, False, (Evidence(test=READER, result=result),)
    if lookup.rank is not None:
        result = "The question does not hold the answer and the passage does: presumed that the passage would help."
        return "information", SEARCH, False, (Evidence(test=SEARCH, result=result),)
    if lookup.gold or lookup.held:
        result = "The documents hold the answer: presumed that the passage would help, if the search found it."
        return "retrieval miss", SEARCH, False, (Evidence(test=SEARCH, result=result),)
    if lookup.held is False:
        result = "Neither the question nor any document holds the expected words."
        return "information", DOCUMENTS, False, (Evidence(test=DOCUMENTS, result=result),)
    return None


def _looked_up(subject: Subject) -> list[Evidence]:
    lookup = subject.lookup
    if lookup is None or not lookup.found:
        return []
    if lookup.rank is None:
        result = f"None of the {len(lookup.found)} passages that the search finds holds the answer."
    else:
        result = f"The search finds the passage that holds the answer at rank {lookup.rank}."
    return [Evidence(test=SEARCH, result=result)]


def _trials(subject: Subject) -> list[Evidence]:
    """Each experiment that was made, and the answer under it."""
    found = []
    for experiment in EXPERIMENTS:
        trial = subject.trials.get(experiment.name)
        if trial is None:
            continue
        said = " ".join(trial.case.prediction.split())
        said = said if len(said) <= SHOWN else f"{said[: SHOWN - 3]}..."
        how = "Now right" if trial.right else "Still wrong"
        form = "" if trial.right or not trial.well_formed or subject.first.well_formed else ", now well-formed"
        result = f"{how}{form} (content {subject.first.score:.2f} to {trial.score:.2f}): {said}"
        if experiment.name == GOLD and not trial.right:
            result += " | The reader is the limit: more retrieval will not help."
        found.append(Evidence(test=experiment.name, result=result))
    return found


def _points(gain: float) -> str:
    return f"{100 * gain:+.0f} points"
