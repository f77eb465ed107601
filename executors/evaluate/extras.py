"""What an evaluation measures beyond the built-in scores of texts: own metrics, perplexity, queries, slices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.evaluate.backends import Answer
from executors.evaluate.database import database_of
from executors.evaluate.execution import verdict
from executors.evaluate.own_metrics import OwnMetrics
from executors.evaluate.perplexity import Surprise, ratio, surprises
from executors.evaluate.preferences import METRIC, margins, measured
from executors.evaluate.scoring import case_counts
from executors.evaluate.slices import slices
from executors.intervals import perplexity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.contract import Job
    from executors.data import Row
    from executors.evaluate.case import Case
    from planner.documents import JsonValue, Measurement


def unasked(rows: Sequence[Row]) -> tuple[dict[str, Answer], dict[str, JsonValue]]:
    """Empty answers, where the model only reads what was expected."""
    return {row.id: Answer("") for row in rows}, {}


class Extras:
    """The extra metrics of one evaluation, case by case and over all."""

    def __init__(self, job: Job, rows: Sequence[Row], asked: Sequence[Row]) -> None:
        """Find the databases, load own metrics, and let the model read the expected answers, as far as asked.

        Args:
            job: the evaluation.
            rows: as the data have them.
            asked: the same as the model is asked them, with passages.

        Raises:
            InputError: a row's database is not there, or an own metric does not load.
        """
        self._asked, self._seed = job.params.metrics, job.params.seed
        self._rows = rows
        self._own = OwnMetrics(self._asked)
        folder = job.inputs.get("database") if "execution_accuracy" in self._asked else None
        self._databases = {row.id: database_of(Path(folder), row.db_id, row.id) for row in rows} if folder else {}
        read = surprises(job, asked) if "perplexity" in self._asked else []
        self._surprises = {row.id: surprise for row, surprise in zip(rows, read, strict=bool(read))}
        compared = margins(job, asked) if METRIC in self._asked else []
        self._margins = {row.id: margin for row, margin in zip(rows, compared, strict=bool(compared))}

    def database(self, row: Row) -> Path | None:
        """The database that a row's queries are run against."""
        return self._databases.get(row.id)

    def scores(self, row: Row, case: Case) -> dict[str, JsonValue]:
        """The own metrics of a case, and what it prefers; each case is given once, in the order of the rows."""
        prefers = {METRIC: self._margins[row.id].agrees} if self._margins else {}
        return self._own.score(case) | prefers

    def record(self, row: Row, case: Case) -> dict[str, Any]:
        """What the record of a case tells more: its part of pooled metrics, and how its query came out."""
        counts = case_counts(case, self._asked)
        if row.id in self._surprises:
            nll, tokens = self._surprises[row.id]
            counts["perplexity"] = [round(nll, 6), tokens]
        found: dict[str, Any] = {"counts": counts} if counts else {}
        if row.id in self._databases:
            found["execution"] = verdict(case, strict=False).reason or "right"
        return found

    def measured(self) -> dict[str, Measurement]:
        """Own metrics, perplexity and preferences over all cases."""
        read = {"perplexity": perplexity([*self._surprises.values()], self._seed)} if self._surprises else {}
        preferred = measured([*self._margins.values()], self._seed) if self._margins else {}
        return self._own.measured(self._seed) | read | preferred

    def against(self, reference: Mapping[str, Mapping[str, Any]]) -> dict[str, Measurement]:
        """What is only measured beside another step's predictions, by row id: how much more surprised the model is."""
        pairs = [
            (own, Surprise(*reference[key]["counts"]["perplexity"]))
            for key, own in self._surprises.items()
            if "perplexity" in reference.get(key, {}).get("counts", {})
        ]
        return {"perplexity_ratio": ratio(pairs, self._seed)} if pairs else {}

    def notes(self, cases: Sequence[Case]) -> dict[str, JsonValue]:
        """The table of slices, and own metrics that failed."""
        table = slices(self._rows, cases, self._asked, self._seed)
        return self._own.notes | ({"slices": table} if table else {})
