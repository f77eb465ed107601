"""The prompt artifact: what stands before every request, with an id that follows from its content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

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


def make_prompt(system: str, examples: tuple[Example, ...] = (), nearest: int | None = None) -> Prompt:
    """A prompt with its content id."""
    content: dict[str, object] = {
        "system": system,
        "examples": [[shown.prompt, shown.completion] for shown in examples],
    }
    if nearest is not None:
        content["nearest"] = nearest
    return Prompt(id=digest(content), system=system, examples=examples, nearest=nearest)


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
