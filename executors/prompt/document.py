"""The prompt artifact: what stands before every request, with an id that follows from its content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from planner.documents import Document, InputError, ReadAhead, digest, pretty_json

if TYPE_CHECKING:
    from pathlib import Path


class Example(Document):
    """An example shown to the model."""

    id: str
    """The id of the training row that it was taken from."""
    prompt: str
    completion: str


class Prompt(ReadAhead):
    """Instruction and examples; rendering adds the request and the model's chat template."""

    format: Literal["adapt.prompt/1"] = "adapt.prompt/1"
    id: str
    """Digest of the text and the examples: equal prompts have equal ids."""
    system: str
    examples: tuple[Example, ...] = ()
    """Shown before every request; of a prompt with `nearest`, what to choose from."""
    nearest: int | None = None
    """Show this many of the examples, those nearest to the request; null shows all of them before every request."""
    after: str = ""
    """Text after the request."""
    answer_mark: str = ""
    """The answer is what stands after this mark; empty where the whole text is the answer."""
    thinking_tokens: int = 0
    """Tokens that an answer may take for what stands before the mark."""
    passages: int | None = None
    """Passages that the request is shown with, where an index is at hand; null leaves it to who asks."""
    tables: dict[str, str] = {}
    """Definitions of the tables of each database, by the `db_id` of the row whose request they stand before."""
    fit: bool = False
    """Whether examples far from the request are left out where the context window does not hold all."""
    template: str | None = None
    """Name of the template that it was made by."""
    template_id: str | None = None
    """Digest of that template's content."""


# What changes the tokens that a model reads, or how its answer is read; examples are told by their texts alone.
_CONTENT = frozenset({"system", "nearest", "after", "answer_mark", "thinking_tokens", "passages", "tables", "fit"})


def make_prompt(system: str, examples: tuple[Example, ...] = (), nearest: int | None = None, **more: Any) -> Prompt:
    """A prompt with its content id; what has its default is no part of the id, so that old ids stay as they are."""
    made = Prompt(id="", system=system, examples=examples, nearest=nearest, **more)
    content: dict[str, Any] = made.model_dump(mode="json", include=set(_CONTENT), exclude_defaults=True)
    content |= {"system": system, "examples": [[shown.prompt, shown.completion] for shown in examples]}
    return made.model_copy(update={"id": digest(content)})


def write_prompt(prompt: Prompt, path: Path) -> None:
    """Write the prompt's file."""
    path.write_text(pretty_json(prompt.to_json()), encoding="utf-8")


def read_prompt(path: Path) -> Prompt:
    """Read the prompt's file.

    Raises:
        InputError: the file is not a prompt.
    """
    try:
        return Prompt.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        message = f"The prompt cannot be read: {str(error).splitlines()[0]}."
        fix = "It must be a file of the format adapt.prompt/1."
        raise InputError.one("PROMPT004", message, fix, file=str(path)) from error
