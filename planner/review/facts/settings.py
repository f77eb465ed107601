"""Every setting of the vocabulary as a fact of its own, `config_` before its name; lists are looked at by others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.facts import Unknown, fact
from planner.review.settings import SETTINGS

if TYPE_CHECKING:
    from planner.review.configuration import Configuration

_RETURNS = {"flag": "bool | Unknown", "number": "float | Unknown", "word": "str | Unknown"}


def _register(name: str) -> None:
    meaning = SETTINGS[name]

    def compute(configuration: Configuration) -> Any:
        return configuration.get(name)

    compute.__name__ = f"config_{name}"
    compute.__doc__ = meaning.doc
    compute.__annotations__ = {"configuration": "Configuration", "return": _RETURNS[meaning.kind]}
    fact(unit=meaning.unit)(compute)


for _name, _meaning in SETTINGS.items():
    if _meaning.kind != "list":
        _register(_name)


@fact()
def config_tool(configuration: Configuration) -> str:
    """Tool that the file is for."""
    return configuration.tool


@fact()
def config_has_learning_rate(configuration: Configuration) -> bool | Unknown:
    """Whether training has a learning rate above zero."""
    rate = configuration.value("learning_rate")
    return Unknown("the file does not say learning_rate") if rate is None else rate > 0


@fact()
def config_output_stated(configuration: Configuration) -> bool:
    """Whether the file names the folder of its result."""
    return configuration.stated("output_dir")


@fact()
def config_epochs_and_steps(configuration: Configuration) -> bool:
    """Whether the file limits training by epochs and by steps at once."""
    return configuration.stated("epochs") and configuration.stated("max_steps")


@fact()
def config_bf16_insisted(configuration: Configuration) -> bool:
    """Whether bf16 is on whatever the device is: by the file, or by trl's default; `auto` follows the device."""
    fixed = configuration.stated("bf16") or configuration.tool == "trl"
    return configuration.value("bf16") is True and fixed and configuration.written("bf16") != "auto"


@fact()
def config_limited_by_steps(configuration: Configuration) -> bool:
    """Whether training ends after a number of steps, whatever the epochs say."""
    return configuration.value("max_steps") is not None


@fact()
def config_holds_secret(configuration: Configuration) -> bool:
    """Whether a password or access token stands in the file."""
    return configuration.value("secret") is not None


@fact()
def config_ours(configuration: Configuration) -> bool:
    """Whether the file is one of our own specs or plans, whose plan is judged by the plan's rules."""
    return configuration.plan is not None
