"""One executor that stands for all of the ladder's: what it measures stands in a table."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict

from executors.contract import Outcome, Params
from executors.registry import Registry, executor_registry
from planner.documents import SCREEN, FailureReport, Measurement
from tests.executors.fakes import Fake

if TYPE_CHECKING:
    from executors.contract import Job

VARIABLE = "ADAPT_TEST_LADDER"
TABLE: dict[str, Any] = {
    "scores": {"zero-shot": 0.1, "few-shot": 0.3, "bm25": 0.5, "hybrid": 0.55, "sft": 0.7, "merged": 0.7},
    "causes": {"behaviour": 9, "information": 1},
    "fails": "",
    "diverges": {},
}
OUTPUTS = {"evaluate": "predictions", "diagnose": "report", "retrieve": "index", "train": "adapter", "merge": "model"}
OUTPUTS |= {"quantize": "model", "compare": "model"}


class Anything(Params):
    """Whatever the plan says."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Rung(Fake):
    """Leaves what the step must leave, and measures what the table says; workers read it from the environment."""

    name: ClassVar[str] = "rung"
    params: ClassVar[type[Params]] = Anything
    libraries: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[dict[str, str]] = {name: name for name in (*OUTPUTS.values(), "prompt", "leaderboard")}

    def perform(self, job: Job) -> Outcome:
        table = TABLE | json.loads(os.environ.get(VARIABLE, "{}"))
        if job.address == table["fails"]:
            raise ValueError("broken")
        kind, _, name = job.address.partition("/")
        metrics: dict[str, Measurement] = {}
        if kind == "equivalence":
            far, kept = Measurement(value=table["diverges"].get(name, 0.001)), Measurement(value=0.99)
            loss = Measurement(value=0.08, low=0.05, high=0.11) if name in table["diverges"] else Measurement(value=0.0)
            return Outcome(metrics={"kl_divergence": far, "top1_agreement": kept, "metric_loss": loss})
        (job.out / OUTPUTS.get(kind, "prompt")).write_text(job.address)
        if kind == "evaluate":
            score = table["scores"].get(name.removesuffix(SCREEN), 0.5)
            metrics = {
                "token_f1": Measurement(value=score, low=score - 0.02, high=score + 0.02),
                "recall_at_10": Measurement(value=0.95),
                "token_agreement": Measurement(value=1.0),
            }
        if kind == "diagnose":
            total = sum(table["causes"].values())
            report = FailureReport(
                source=job.address,
                cases_seen=50,
                failed=total,
                by_cause=table["causes"],
                by_symptom={"wrong form": total},
                cases=(),
            )
            (job.out / "report").write_text(json.dumps(report.to_json()))
            shares = {"behaviour": 0, **table["causes"]}
            metrics = {f"{cause}_share": Measurement(value=count / total) for cause, count in shares.items()}
        return Outcome(metrics=metrics, notes={"rows": 40} if kind == "train" else {})


REAL = executor_registry()
# One fake for every executor, of the version that plans name.
FAKES = {
    name: type(f"Fake_{name.replace('-', '_')}", (Rung,), {"version": REAL.load(name).version}) for name in REAL.targets
}
globals().update({fake.__name__: fake for fake in FAKES.values()})


def registry() -> Registry:
    """Every executor of the ladder, faked."""
    return Registry(targets={name: f"{__name__}:{fake.__name__}" for name, fake in FAKES.items()})
