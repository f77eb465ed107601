"""The executor that makes a prompt: instruction, form of the answer, examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.errors import classify
from executors.json_answers import label_property
from executors.prompt.composing import Asked, compose
from executors.prompt.document import write_prompt
from executors.prompt.examples import Select, choose
from executors.prompt.template import PLAIN
from planner.documents import Estimate, Finding, InputError, Resources, Step, Where
from planner.documents.tables import tables_told
from planner.documents.task import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.prompt.document import Example
    from planner.documents import JsonValue
    from planner.documents.events import ErrorClass


class PromptParams(Params):
    """What the prompt shall say."""

    instruction: Annotated[str, Field(min_length=1)]
    """The task in the words of the spec."""
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")]
    """JSON Schema of the answer."""
    labels: list[str] | None
    """The closed set of labels."""
    format: OutputFormat
    """Form of the answer."""
    show_form: bool
    """Whether the prompt describes the form of the answer; a finetuned model has learnt it."""
    examples: Annotated[int, Field(ge=0, le=50)]
    """Examples from the training rows."""
    select: Select
    """How examples are chosen."""
    template: str = PLAIN
    """Name of the template that puts the parts in order."""
    fit: bool = False
    """Leave out far examples where the context window does not hold all; otherwise a prompt too long is an error."""
    tables: Annotated[int, Field(ge=1)] | None = None
    """Most characters of the definitions of a database's tables; null without the input `database`."""
    seed: int
    """Seed of the choice."""


class Prompt:
    """Writes the prompt that evaluation and training share."""

    name: ClassVar[str] = "prompt"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = PromptParams
    libraries: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[Mapping[str, str]] = {"prompt": "prompt"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses examples without training rows to take them from."""
        del site
        if step.params.get("examples") and "train" not in step.inputs:
            return [_no_train(step.address)]
        return []

    def estimate(self, step: Step, site: Site) -> Resources:
        """Reads a file and writes a page."""
        del step, site
        return Resources(time=Estimate(low=0.01, expected=0.1, high=5, unit="s", provenance="assumed"))

    def perform(self, job: Job) -> Outcome:
        """Write `out/prompt`.

        Raises:
            InputError: examples are asked for and the training rows are missing or too few.
        """
        params: PromptParams = job.params
        examples: tuple[Example, ...] = ()
        if params.examples:
            if "train" not in job.inputs:
                raise InputError([_no_train(job.address)])
            path = Path(job.inputs["train"])
            label = label_property(params.json_schema) if params.format == "json" else None
            examples = choose(read_rows(path), params.examples, select=params.select, seed=params.seed, label=label)
            if len(examples) < params.examples:
                message = f"The prompt needs {params.examples} examples; {len(examples)} different rows have an answer."
                raise InputError.one("DATA010", message, "Ask for fewer, or give more rows.", file=str(path))
        labels = tuple(params.labels or ())
        tables = tables_of(job)
        asked = Asked(params.instruction, params.format, params.json_schema, labels, params.show_form, tables)
        nearest = params.examples if params.select == "similar" and params.examples else None
        prompt = compose(asked, params.template, examples=examples, nearest=nearest, fit=params.fit)
        write_prompt(prompt, job.out / "prompt")
        shown: list[JsonValue] = [] if nearest else [example.id for example in examples]
        return Outcome(notes={"prompt_id": prompt.id, "example_ids": shown, "examples_to_choose_from": len(examples)})

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def tables_of(job: Job) -> dict[str, str]:
    """The tables of the databases that queries are asked of, as a prompt tells them; none where there are none.

    Raises:
        InputError: a file is no database.
    """
    most = job.params.tables
    return tables_told(Path(job.inputs["database"]), most) if most and "database" in job.inputs else {}


def _no_train(address: str) -> Finding:
    return Finding(
        code="PROMPT001",
        severity="error",
        message=f"{address} asks for examples and has no input `train`.",
        fix="Name training rows, or set `examples` to 0.",
        where=Where(pointer="/inputs/train"),
    )
