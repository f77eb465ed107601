"""Which prompts are tried: one thing changed at a time, the best so far kept for the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from executors.prompt.template import read_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from executors.prompt.examples import Select
    from planner.documents.task import OutputFormat


@dataclass(frozen=True)
class Variant:
    """One way of asking."""

    template: str
    examples: int = 0
    choice: Select | None = None
    """How examples are chosen; None without any."""
    passages: int | None = None
    """Passages of the index in the request; None without an index."""

    @property
    def name(self) -> str:
        """What people read, such as `plain, 8 similar, 3 passages`."""
        shown = f"{self.examples} {self.choice}" if self.choice else "no examples"
        return ", ".join([self.template, shown, *([] if self.passages is None else [f"{self.passages} passages"])])


@dataclass(frozen=True)
class Space:
    """What may be tried."""

    templates: Sequence[str]
    counts: Sequence[int]
    choices: Sequence[Select]
    passages: Sequence[int]
    format: OutputFormat

    def start(self) -> Variant:
        """The first variant: the first template that suits, no examples, the first number of passages."""
        suited = [name for name in self.templates if read_template(name).suits(self.format)]
        return Variant(suited[0] if suited else self.templates[0], passages=next(iter(self.passages), None))

    def stages(self) -> Iterator[str]:
        """What is changed, one thing after the other: the evidence, the examples, then how they are framed."""
        yield from ("passages",) if len(self.passages) > 1 else ()
        yield "examples"
        yield from ("templates",) if len(self.templates) > 1 else ()

    def around(self, best: Variant, stage: str) -> list[Variant]:
        """The variants of a stage: those that differ from the best so far in one thing, and the best itself."""
        if stage == "passages":
            found = [replace(best, passages=count) for count in self.passages]
        elif stage == "examples":
            pairs = [(count, choice) for count in self.counts if count for choice in self.choices]
            bare = [replace(best, examples=0, choice=None)] if 0 in self.counts else []
            found = bare + [replace(best, examples=count, choice=choice) for count, choice in pairs]
        else:
            suited = [name for name in self.templates if read_template(name).suits(self.format)]
            found = [replace(best, template=name) for name in suited]
        return list(dict.fromkeys(found)) or [best]
