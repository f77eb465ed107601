"""Options of the command line from the fields of a setting: each choice, default and help text stands there alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

from adapt.estimates.problems import told
from planner.memory import TrainingSetting, training_setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic.fields import FieldInfo


def setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add one option for every field of `TrainingSetting`; an option that is not given is None."""
    for name, field in reversed(TrainingSetting.model_fields.items()):
        command = _option(name, field)(command)
    return command


def setting_from(values: Mapping[str, Any], **changes: Any) -> TrainingSetting:
    """The setting that the given options describe, with everything else at its default.

    Args:
        values: options by field; None leaves the default.
        changes: fields that stand before the options.

    Raises:
        InputError: a word is not known or a number is out of range.
    """
    given: dict[str, Any] = {name: value for name, value in values.items() if value is not None} | changes
    for name in ("targets", "modules_to_save"):
        if isinstance(given.get(name), str):
            given[name] = _names(given[name], TrainingSetting.model_fields[name])
    with told():
        return training_setting(**given)


def words(field: FieldInfo) -> tuple[str, ...]:
    """The words that a field takes; none when it takes something else."""
    kinds = (field.annotation, *get_args(field.annotation))
    literal = next((kind for kind in kinds if get_origin(kind) is Literal), None)
    return tuple(str(word) for word in get_args(literal)) if literal is not None else ()


def _option(name: str, field: FieldInfo) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = "--" + name.replace("_", "-")
    text, default, choices = str(field.description), field.default, words(field)
    if text.partition(":")[0] not in choices:
        text = text[0].upper() + text[1:]
    if isinstance(default, bool):
        return click.option(
            f"{flag}/--no-{flag[2:]}", name, default=None, help=f"{text}; {'on' if default else 'off'} by default."
        )
    if name == "targets":
        return click.option(flag, name, metavar="NAME,...", help=f"{text}; {default} by default.")
    help_text = text if default in (None, ()) else f"{text}; {default} by default"
    if choices:
        return click.option(flag, name, metavar="WORD", help=f"{help_text}. One of {', '.join(choices)}.")
    kind = int if isinstance(default, int) else float if isinstance(default, float) else str
    metavar = "NAME,..." if kind is str else "N"
    return click.option(flag, name, type=kind, metavar=metavar, help=f"{help_text}.")


def _names(text: str, field: FieldInfo) -> str | tuple[str, ...]:
    if text.strip() in words(field):
        return text.strip()
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
