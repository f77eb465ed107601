"""The executor `distill`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.errors import classify
from executors.evaluate.constraint import Decoding
from executors.evaluate.endpoint_check import unready
from executors.inputs import missing_inputs
from executors.models import Dtype
from executors.quantized import Quantization
from planner.documents import Endpoint, Finding, Resources, Step
from planner.documents.task import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents.events import ErrorClass

Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class DistillParams(Params):
    """How many rows are written, by whom, and which are kept."""

    rows: Count
    """Rows to write, beside those that are given."""
    task: str
    """What the rows are for, in the spec's words."""
    examples: Annotated[int, Field(ge=0)]
    """Given rows that the teacher is shown with every request that it answers; 0 for a teacher that was trained."""
    keep_given_rows: bool
    """Whether the given rows with answers are part of the result."""
    drop_duplicates: bool
    """Whether requests that are there already, or almost, are dropped."""
    near_duplicate: Share
    """Share of word pairs that two requests have in common from which they count as the same."""
    drop_overlap_with_test: bool
    """Whether requests that stand in the input `test`, or almost, are dropped."""
    most_tries: Annotated[float, Field(ge=1)]
    """Requests that are asked for at most, as a multiple of the rows that are missing."""
    request_tokens: Count
    """Longest request in tokens."""
    format: OutputFormat
    """Form of the answers."""
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")]
    """JSON Schema that an answer must satisfy."""
    labels: list[str] | None
    """The closed set of labels."""
    max_new_tokens: Count
    """Longest answer in tokens; longer ones are dropped."""
    batch_size: Count
    """Requests answered together."""
    dtype: Dtype
    """Data type of the teacher's weights."""
    quantization: Quantization
    """Fewer bits of the teacher's weights, where 16 do not fit the device."""
    decoding: Decoding
    """Whether answers can leave their form."""
    grammar: str | None
    """The grammar or the regular expression that answers are held to, by `decoding`."""
    endpoint: Endpoint | None
    """The server that writes, in place of an input `model`."""
    temperature: Annotated[float, Field(gt=0)]
    """Of the requests that are made up; answers are the likeliest tokens."""
    seed: int


class Distill:
    """Rows that a teacher wrote, checked, without duplicates, apart from the test data.

    Needs `prompt`, `examples` (rows of the task; those without answers are answered first) and `model` or an endpoint;
    with `adapter` the teacher is a trained one.
    """

    name: ClassVar[str] = "distill"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = DistillParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    outputs: ClassVar[Mapping[str, str]] = {"rows": "rows"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs, and a server that cannot be asked."""
        del site
        needed = ("prompt", "examples", *(("test",) if step.params.get("drop_overlap_with_test") else ()))
        return [*missing_inputs(step, needed, "DISTILL001"), *unready(step)]

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned: neither the step nor the site tells the size of the teacher."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/rows`; goes on from what an earlier attempt, or another plan, had written.

        Raises:
            AdaptError: there is nothing to write after, or the teacher writes nothing that can be learned from.
        """
        from executors.distill.writing import Writing

        writing = Writing(job)
        writing.write()
        return writing.finish(Path(job.out) / "rows")

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)
