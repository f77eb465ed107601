"""The key of an endpoint: read from the environment when it is needed, hidden in everything that is written."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from planner.documents import InputError

if TYPE_CHECKING:
    from planner.documents import Endpoint

NO_KEY = "none"
# Shorter keys, such as `EMPTY`, are words that an answer may hold, and no secrets.
SECRET_CHARACTERS = 12


@dataclass(frozen=True)
class Key:
    """A key that does not show itself."""

    value: str = field(repr=False)

    @classmethod
    def of(cls, endpoint: Endpoint) -> Self:
        """The key of an endpoint; `none` where it needs none.

        Raises:
            InputError: the variable is not set, or holds what cannot be a key. The message never shows its value.
        """
        name = endpoint.api_key_env
        if name is None:
            # The library would else take the key of another service from the environment.
            return cls(NO_KEY)
        key = os.environ.get(name, "").strip()
        if not key or not (key.isascii() and key.isprintable()):
            what = "holds what cannot be a key" if key else "is not set"
            fix = f"Set it to the key of {endpoint.url}, or leave `api_key_env` out."
            raise InputError.one("EVAL014", f"The environment variable {name} {what}.", fix, pointer="/endpoint")
        return cls(key)

    def hidden(self, text: str) -> str:
        """The text without the key, which some servers say back."""
        return text.replace(self.value, "***") if len(self.value) >= SECRET_CHARACTERS else text
