"""The executor that trains on parts of the rows, measures each, and says whether more rows would help."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.data_need.law import forecast, scored, sentence
from executors.errors import classify
from executors.evaluate.ensemble import POOLED
from executors.evaluate.executor import Evaluate, EvaluateParams
from executors.evaluate.predictions import read_predictions
from executors.files import remove
from executors.inputs import missing_inputs
from executors.progress import tell
from executors.train.belonging import output_of
from executors.train.executor import Train
from executors.train.params import TrainParams
from executors.train.probe import FitProbe, ProbeParams
from planner.documents import Finding, InputError, Measurement, Resources, Step, pretty_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planner.documents import JsonValue
    from planner.documents.events import ErrorClass

Share = Annotated[float, Field(gt=0, le=1)]
SCORES = "scores.json"


class DataNeedParams(Params):
    """Which parts are trained on, how, and what is asked of the curve."""

    shares: Annotated[list[Share], Field(min_length=3)]
    """Shares of the training rows, rising to 1."""
    draws: Annotated[int, Field(ge=1, le=5)]
    """Trainings on different rows at each share that leaves room for so many."""
    least_steps: Annotated[int, Field(ge=1)]
    """A small part is trained for more epochs where it would have fewer optimizer steps: else the curve would show
    that little was trained, not that little was there."""
    ahead: Annotated[float, Field(gt=1)]
    """Times the rows at hand that the forecast is for."""
    metric: str
    """Score of a case that the curve is of, strict."""
    training: TrainParams | ProbeParams
    """Parameters of the training that the curve is of."""
    evaluation: EvaluateParams
    """How validation rows are answered and scored."""
    seed: int
    """Seed of the parts and of the interval."""

    @model_validator(mode="after")
    def _rising(self) -> DataNeedParams:
        if self.shares != sorted(set(self.shares)) or self.shares[-1] != 1.0:
            raise ValueError("shares must rise to 1")
        if self.metric not in self.evaluation.metrics:
            raise ValueError(f"the evaluation does not measure {self.metric}, of which the curve is")
        return self


class DataNeed:
    """A learning curve. Needs `model`, `train`, `validation`, and `prompt` where the training does.

    With `trained`, what was trained on all rows already, the last point is only measured.
    """

    name: ClassVar[str] = "data-need"
    version: ClassVar[str] = "2"
    params: ClassVar[type[Params]] = DataNeedParams
    libraries: ClassVar[tuple[str, ...]] = (*Train.libraries, "sklearn")
    outputs: ClassVar[Mapping[str, str]] = {"curve": "curve"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs, and what the training itself refuses."""
        found = missing_inputs(step, ("model", "train", "validation"), "NEED001")
        training = step.params.get("training")
        if not found and isinstance(training, dict) and "method" in training:
            found += Train().check(step.model_copy(update={"params": training, "outputs": ()}), site)
        return found

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/curve`: the score at each number of rows; parts that an earlier attempt measured are not trained.

        Raises:
            InputError: there are too few rows for parts of these shares, or the metric scores no single cases.
        """
        import numpy as np

        params: DataNeedParams = job.params
        rows = _records(Path(job.inputs["train"]))
        sizes = {share: max(2, round(share * len(rows))) for share in params.shares}
        if len(set(sizes.values())) < len(sizes):
            message = f"{len(rows)} rows are too few for parts of {', '.join(f'{share:.0%}' for share in sizes)}."
            raise InputError.one("NEED002", message, "Collect some first: a curve needs three sizes.")
        random.Random(params.seed).shuffle(rows)  # noqa: S311 - a choice, not a secret
        parts = [
            (share, number, rows[number * size : (number + 1) * size])
            for share, size in sizes.items()
            for number in range(min(params.draws, len(rows) // size))
        ]
        known = _known(job)
        for done, (share, number, part) in enumerate(parts):
            tell(job, f"training on {len(part)} rows", done, len(parts), "trainings")
            key = f"{share:g}-{number}"
            if key not in known:
                known[key] = self._measured(job, key, part, whole=share == 1.0)
                (job.checkpoints / SCORES).write_text(json.dumps(known), encoding="utf-8")
        order = sorted(known[f"{params.shares[-1]:g}-0"])
        points: dict[int, list[Callable[[Any], float]]] = {}
        for share, number, part in parts:
            told = [known[f"{share:g}-{number}"][row] for row in order]
            points.setdefault(len(part), []).append(scored(params.metric, told))
        ahead = round(params.ahead * len(rows))
        found = forecast(points, len(order), ahead, params.seed)
        means = {size: fmean(score(np.ones(len(order))) for score in trained) for size, trained in points.items()}
        curve: dict[str, JsonValue] = {str(size): round(mean, 4) for size, mean in means.items()}
        (job.out / "curve").write_text(pretty_json(curve), encoding="utf-8")
        return Outcome(
            metrics={"gain_of_more_rows": found.gain, params.metric: Measurement(value=means[len(rows)])},
            notes={
                "data_need": sentence(found, len(rows), ahead, params.metric),
                "scores_by_rows": curve,
                "forecast_rows": ahead,
                "exponent": round(found.exponent, 4),
                "trainings": len(parts),
                "cases": len(order),
            },
        )

    def classify(self, error: BaseException) -> ErrorClass:
        """As the training does."""
        return Train().classify(error) if hasattr(error, "findings") else classify(error)

    def _measured(self, job: Job, key: str, part: list[str], *, whole: bool) -> dict[str, Any]:
        """The score of each validation row after training on a part, or what it adds to a metric that is pooled."""
        params: DataNeedParams = job.params
        work, kind = job.checkpoints / key, _output(params.training)
        inputs = {name: source for name, source in job.inputs.items() if name != "trained"}
        if whole and "trained" in job.inputs:
            trained = Path(job.inputs["trained"])
        else:
            work.mkdir(exist_ok=True)
            (work / "train.jsonl").write_text("".join(f"{line}\n" for line in part), encoding="utf-8")
            training = _long_enough(params.training, len(part), params.least_steps)
            own = _job(job, work / "trained", training, inputs | {"train": work / "train.jsonl"})
            (Train() if isinstance(training, TrainParams) else FitProbe()).perform(own)
            trained = own.out / kind
        asked = {name: source for name, source in inputs.items() if name not in ("train", "validation")}
        asked |= {kind: trained, "data": inputs["validation"]}
        answered = _job(job, work / "answered", params.evaluation, asked)
        Evaluate().perform(answered)
        records = read_predictions(answered.out / "predictions")
        remove(work)
        pooled = "counts" if params.metric in POOLED else "scores"
        told = {record["id"]: record.get(pooled, {}).get(params.metric) for record in records}
        if any(not isinstance(each, (bool, int, float, list)) for each in told.values()):
            message = f"The metric {params.metric} does not score single cases, of which a curve is made."
            raise InputError.one("NEED003", message, "Name a metric of single answers.", pointer="/params/metric")
        return told


def _output(training: TrainParams | ProbeParams) -> str:
    return output_of(training.method) if isinstance(training, TrainParams) else "adapter"


def _long_enough(training: TrainParams | ProbeParams, rows: int, least_steps: int) -> TrainParams | ProbeParams:
    if isinstance(training, ProbeParams):
        return training
    steps = math.ceil(rows / (training.micro_batch * training.accumulation)) * training.epochs
    return training.model_copy(update={"epochs": training.epochs * max(1.0, least_steps / steps)})


def _job(job: Job, place: Path, params: Any, inputs: dict[str, Any]) -> Job:
    out, checkpoints = place / "out", place / "checkpoints"
    remove(out)
    out.mkdir(parents=True)
    checkpoints.mkdir(exist_ok=True)
    return replace(job, params=params, inputs=inputs, out=out, checkpoints=checkpoints, report=lambda _: None)


def _records(file: Path) -> list[str]:
    """The rows of a file, each as a line of JSON."""
    read_rows(file)  # refuses what is no row, with the line
    text = file.read_text(encoding="utf-8").strip()
    if text.startswith("["):
        return [json.dumps(each, ensure_ascii=False) for each in json.loads(text)]
    return [line for line in text.splitlines() if line.strip()]


def _known(job: Job) -> dict[str, dict[str, Any]]:
    try:
        found: dict[str, dict[str, Any]] = json.loads((job.checkpoints / SCORES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
