"""A prompt from a template and what there is to say: the task, the labels, the shape and the form of the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from executors.prompt.document import make_prompt
from executors.prompt.outline import outline
from executors.prompt.template import PLAIN, fill, read_template
from planner.documents.tables import ONLY

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    tables: Mapping[str, str] = field(default_factory=dict)
    """What queries are asked of; see `planner.documents.tables.tables_told`."""

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
    # The tables of the one database are the same for every request, and are read once with the instruction.
    said = [fill(found.system, asked.parts), asked.tables.get(ONLY, "")]
    return make_prompt(
        "\n\n".join(part for part in said if part),
        examples,
        nearest,
        after=fill(found.after, asked.parts),
        answer_mark=found.answer_mark,
        thinking_tokens=found.thinking_tokens,
        passages=passages,
        tables={name: text for name, text in asked.tables.items() if name != ONLY},
        fit=fit,
        template=template,
        template_id=found.id,
    )
