"""Prompt templates: files that say in which order a prompt puts its parts, each with an id of its content."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from planner.documents import Document, InputError, digest, near
from planner.documents.task import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent / "templates"
PLAIN = "plain"


class Template(Document):
    """A template; a line whose placeholder has nothing to say is left out."""

    says: str
    """What is particular about it, for people."""
    system: str
    """Lines before all turns, with the placeholders instruction, labels, shape and form."""
    after: str = ""
    """Lines after the request."""
    formats: list[OutputFormat] | None = None
    """Forms of answers that it suits; null for all."""
    answer_mark: str = ""
    """The answer stands after this mark; empty where the whole text is the answer."""
    thinking_tokens: int = 0
    """Tokens that an answer may take beyond its own, for what stands before the mark."""

    @property
    def id(self) -> str:
        """Digest of what the model is told: equal templates have equal ids, whatever is said about them."""
        return digest(self.model_dump(mode="json", exclude={"says"}))

    def suits(self, form: OutputFormat) -> bool:
        """Whether answers of a form can be asked for in this way."""
        return self.formats is None or form in self.formats


@cache
def template_names() -> tuple[str, ...]:
    """The names of all templates, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@cache
def read_template(name: str) -> Template:
    """A template by name.

    Raises:
        InputError: there is none of this name.
    """
    import tomllib

    if name not in template_names():
        fix = near(name, template_names()) or f"Known are: {', '.join(template_names())}."
        raise InputError.one("PROMPT005", f"There is no prompt template `{name}`.", fix, pointer="/params/templates")
    return Template.model_validate(tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")))


def fill(lines: str, parts: Mapping[str, str]) -> str:
    """The lines with their placeholders filled; those whose placeholder is empty are left out."""
    filled = []
    for line in lines.strip().splitlines():
        name = line.strip()[1:-1]
        text = parts[name] if line.startswith("{") and name in parts else line
        if text:
            filled.append(text)
    return "\n".join(filled)
