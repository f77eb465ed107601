"""What does not fit together about models that a server answers for, and about the judge that is one of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.documents import near
from planner.survey.problems import pointer_to, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.documents import Finding, Spec

# This machine, private networks, and names without a dot, which only a local network knows.
_NEAR = re.compile(
    r"https?://(localhost|127\.[\d.]+|10\.[\d.]+|192\.168\.[\d.]+|172\.(1[6-9]|2\d|3[01])\.[\d.]+|\[[^\]]*\]"
    r"|[^./:]+|[^/:]+\.(local|internal|lan))(:\d+)?(/|$)",
    re.IGNORECASE,
)


def check_endpoints(spec: Spec, file: str | None) -> Iterator[Finding]:
    """Every problem of endpoints and judge that their fields alone do not show."""
    yield from _models(spec, file)
    served = {model.id for model in spec.models if model.endpoint is not None}
    judge = spec.evaluation.judge
    if judge is not None and judge.model not in served:
        message = f"The judge `{judge.model}` is no model of the spec that has an endpoint."
        fix = near(judge.model, served) or 'List it under /models with an `endpoint` and the role "judge".'
        yield problem("SPEC043", message, fix, file=file, pointer="/evaluation/judge/model")
    if "judge" in {*spec.evaluation.metrics, *spec.evaluation.target} and judge is None:
        message = "The metric `judge` is asked for, and no judge is named."
        fix = "Name one as /evaluation/judge, or drop the metric."
        yield problem("SPEC044", message, fix, file=file, pointer="/evaluation/judge")


def _models(spec: Spec, file: str | None) -> Iterator[Finding]:
    for index, model in enumerate(spec.models):
        pointer = pointer_to("models", index, "endpoint")
        if model.endpoint is None:
            if model.role == "judge":
                message = f"The judge `{model.id}` has no endpoint."
                fix = "Give it an `endpoint` with its `url`: a judge is asked over a server."
                yield problem("SPEC042", message, fix, file=file, pointer=pointer)
            continue
        if model.path is not None:
            message = f"`{model.id}` has a path and an endpoint: the server answers, and its files are not looked at."
            fix = "Leave out the endpoint to run or train the files here, or the path to ask the server."
            yield problem("SPEC047", message, fix, file=file, pointer=pointer, severity="warning")
        if spec.constraints.offline and not _NEAR.match(model.endpoint.url):
            message = f"The spec is to run offline, and `{model.id}` is served at {model.endpoint.url}."
            fix = "Serve it on this machine or network, or leave `constraints.offline` out."
            yield problem("SPEC048", message, fix, file=file, pointer=pointer, severity="warning")
