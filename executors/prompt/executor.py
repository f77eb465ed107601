"""The executor that makes a prompt: instruction, form of the answer, examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.errors import classify
from executors.json_answers import label_property
from executors.prompt.document import make_prompt, write_prompt
from executors.prompt.examples import Select, choose
from executors.prompt.outline import outline
from planner.documents import Estimate, Finding, InputError, Resources, Step, Where
from planner.documents.task import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.prompt.document import Example
    from planner.documents import JsonValue
    from planner.documents.events import ErrorClass

FORM: dict[OutputFormat, str] = {
    "text": "",
    "label": "Answer with the label alone and nothing else.",
    "json": "Answer with one line of JSON and nothing else.",
    "yaml": "Answer with YAML and nothing else.",
    "sql": "Answer with one SQL statement and nothing else.",
    "html": "Answer with HTML and nothing else.",
    "code": "Answer with code and nothing else.",
    "dsl": "Answer with the expression alone and nothing else.",
}


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
        nearest = params.examples if params.select == "similar" and params.examples else None
        prompt = make_prompt(system_text(params), examples, nearest)
        write_prompt(prompt, job.out / "prompt")
        shown: list[JsonValue] = [] if nearest else [example.id for example in examples]
        return Outcome(notes={"prompt_id": prompt.id, "example_ids": shown, "examples_to_choose_from": len(examples)})

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def system_text(params: PromptParams) -> str:
    """Instruction, shape of the answer, form of the answer: the last sentence is what small models keep best."""
    parts = [params.instruction.strip()]
    if params.labels:
        parts.append("Labels: " + ", ".join(params.labels) + ".")
    if params.show_form and params.json_schema:
        parts.append("Shape: " + outline(params.json_schema))
    if params.show_form and FORM[params.format]:
        parts.append(FORM[params.format])
    return "\n".join(parts)


def _no_train(address: str) -> Finding:
    return Finding(
        code="PROMPT001",
        severity="error",
        message=f"{address} asks for examples and has no input `train`.",
        fix="Name training rows, or set `examples` to 0.",
        where=Where(pointer="/inputs/train"),
    )
