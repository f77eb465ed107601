"""The numbers of a merge by measurement: each candidate is merged, answers the validation rows, and is removed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from executors.evaluate.executor import Evaluate
from executors.files import remove, write_atomic
from executors.merge.params import Candidate
from executors.merge.sources import first_not_finite
from executors.progress import say
from planner.documents import JsonValue, Measurement, RunError, canonical_json, pretty_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from executors.contract import Job
    from executors.merge.params import MergeModelsParams


class Chosen(NamedTuple):
    """The end of a search."""

    params: MergeModelsParams
    """The merge with the numbers that were chosen, and no search."""
    score: Measurement
    tokens: int
    """Of all answers."""
    notes: dict[str, JsonValue]


def choose(job: Job, merge: Callable[[MergeModelsParams, Path], object]) -> Chosen:
    """Measure the candidates on the validation rows; what an earlier attempt measured is taken as it is.

    Args:
        job: the merge, with the inputs `validation` and `prompt`.
        merge: writes a model folder by the parameters that it is given.

    Raises:
        InputError: the validation rows cannot be answered.
        RunError: no candidate has finite weights.
    """
    params: MergeModelsParams = job.params
    trials = _Trials(job, merge)
    best = _soup(trials, params.weights or []) if params.search == "greedy-soup" else _grid(trials, params)
    score = trials.scores[best]
    if score is None:
        raise RunError.one("MERGE003", "No candidate has finite weights.", "Merge with a smaller scale, or write fp32.")
    order = sorted(trials.scores, key=lambda each: each != best)
    shown: list[JsonValue] = [trials.shown(each, chosen=each == best) for each in order]
    notes: dict[str, JsonValue] = {
        "chosen": trials.names[best],
        "metric": trials.metric,
        "chosen_on": "validation",
        "tried": "Merges",
        "leaderboard": shown,
        "resumed": trials.resumed,
    }
    return Chosen(params.with_numbers(best), score, trials.tokens, notes)


def _grid(trials: _Trials, params: MergeModelsParams) -> Candidate:
    """The best of the listed candidates; of equal ones the first."""
    candidates = params.candidates or []
    for each in candidates:
        trials.score(each, _told(each), "others reached more, or as much and stand before it")
    best = max(candidates, key=trials.value)
    trials.because[best] = "the best score of the grid"
    return best


def _soup(trials: _Trials, weights: Sequence[float]) -> Candidate:
    """Sources by their own scores, each kept if the soup gets no worse by it [wortsman-2022-soups]."""

    def soup(parts: Sequence[int]) -> Candidate:
        return Candidate(weights=tuple(weight if at in parts else 0.0 for at, weight in enumerate(weights)))

    alone = [soup([number]) for number in range(len(weights))]
    for number, each in enumerate(alone):
        trials.score(each, f"source-{number}", "a source alone")
    first, *others = sorted(range(len(weights)), key=lambda number: -trials.value(alone[number]))
    kept, best = [first], alone[first]
    for number in others:
        tried = soup([*kept, number])
        name = " + ".join(f"source-{part}" for part in sorted([*kept, number]))
        trials.score(tried, name, f"source-{number} makes the soup worse")
        if trials.value(tried) >= trials.value(best):
            trials.because[tried] = f"source-{number} makes the soup no worse"
            kept, best = [*kept, number], tried
    return best


class _Trials:
    """Candidates and what they reached, kept in the checkpoints as they come."""

    def __init__(self, job: Job, merge: Callable[[MergeModelsParams, Path], object]) -> None:
        self.job, self.merge, self.tokens, self.resumed = job, merge, 0, 0
        self.measured_by = job.params.measured_by()
        self.metric: str = self.measured_by.metrics[0]
        self.scores: dict[Candidate, Measurement | None] = {}
        """None where the merged weights are not finite."""
        self.names: dict[Candidate, str] = {}
        self.because: dict[Candidate, str] = {}

    def value(self, candidate: Candidate) -> float:
        """The score to compare by: weights that are not finite are worse than any."""
        score = self.scores[candidate]
        return -1.0 if score is None else score.value

    def score(self, candidate: Candidate, name: str, because: str) -> None:
        """Merge, measure, remove; or take what an earlier attempt left."""
        if candidate in self.scores:
            return
        say(self.job, f"trying {name}")
        key = hashlib.sha256(canonical_json(candidate.model_dump()).encode()).hexdigest()[:16]
        place = self.job.checkpoints / "search" / key
        kept = _kept(place / "score.json")
        self.resumed += kept is not None
        if kept is None:
            kept = self._measured(candidate, place)
            write_atomic(place / "score.json", pretty_json(kept))
        score, self.names[candidate], self.because[candidate] = kept["score"], name, because
        self.scores[candidate] = None if score is None else Measurement.model_validate(score)
        self.tokens += int(str(kept["tokens"]))

    def _measured(self, candidate: Candidate, place: Path) -> dict[str, JsonValue]:
        model = place / "merged" / "model"
        remove(model.parent)
        model.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.merge(self.job.params.with_numbers(candidate), model)
            if first_not_finite(model):
                return {"score": None, "tokens": 0}
            inputs = {"model": model, "prompt": self.job.inputs["prompt"], "data": self.job.inputs["validation"]}
            asked = replace(self.job, params=self.measured_by, inputs=inputs, out=place, checkpoints=place)
            found = Evaluate().perform(asked)
        finally:
            remove(model.parent)
        return {"score": found.metrics[self.metric].model_dump(mode="json"), "tokens": found.tokens or 0}

    def shown(self, candidate: Candidate, *, chosen: bool) -> dict[str, JsonValue]:
        """A line of the leaderboard, as a report shows it."""
        score = self.scores[candidate]
        return {
            "variant": self.names[candidate],
            "rows": 0 if score is None else score.n,
            "score": None if score is None else score.model_dump(mode="json"),
            "because": "its weights are not finite" if score is None else self.because[candidate],
            "left_in_round": None if chosen else 1,
        }


def _kept(path: Path) -> dict[str, JsonValue] | None:
    """What an earlier attempt measured; None where it did not come so far."""
    if not path.is_file():
        return None
    found: dict[str, JsonValue] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _told(candidate: Candidate) -> str:
    """The numbers of a candidate in a line."""
    told = candidate.model_dump(exclude_none=True).items()
    values = ((name, value if isinstance(value, tuple) else (value,)) for name, value in told)
    return ", ".join(f"{name} {' '.join(f'{each:g}' for each in value)}" for name, value in values)
