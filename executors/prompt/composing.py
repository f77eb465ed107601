"""A prompt from a template and what there is to say: the task, the labels, the shape and the form of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executors.prompt.document import make_prompt
from executors.prompt.outline import outline
from executors.prompt.template import PLAIN, fill, read_template

if TYPE_CHECKING:
    from executors.prompt.document import Example, Prompt
    from planner.documents.task import OutputFormat

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


@dataclass(frozen=True)
class Asked:
    """What a prompt has to say."""

    instruction: str
    format: OutputFormat
    schema: dict[str, Any] | None = None
    labels: tuple[str, ...] = ()
    show_form: bool = True
    """Whether shape and form of the answer are described; a finetuned model has learnt them."""

    @property
    def parts(self) -> dict[str, str]:
        """The texts that templates put in order; empty where there is nothing to say."""
        return {
            "instruction": self.instruction.strip(),
            "labels": "Labels: " + ", ".join(self.labels) + "." if self.labels else "",
            "shape": "Shape: " + outline(self.schema) if self.show_form and self.schema else "",
            "form": FORM[self.format] if self.show_form else "",
        }


def compose(
    asked: Asked,
    template: str = PLAIN,
    *,
    examples: tuple[Example, ...] = (),
    nearest: int | None = None,
    passages: int | None = None,
    fit: bool = False,
) -> Prompt:
    """The prompt that a template makes; see `executors.prompt.document.Prompt` for the fields.

    Raises:
        InputError: there is no such template.
    """
    found = read_template(template)
    return make_prompt(
        fill(found.system, asked.parts),
        examples,
        nearest,
        after=fill(found.after, asked.parts),
        answer_mark=found.answer_mark,
        thinking_tokens=found.thinking_tokens,
        passages=passages,
        fit=fit,
        template=template,
        template_id=found.id,
    )
