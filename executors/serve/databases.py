"""Of which database a request asks: queries are written over its tables, which stand before the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.prompt.render import TABLES
from executors.serve.asked import NoDatabaseError
from planner.documents import near

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.serve.asked import Ask


def database_of(tables: Mapping[str, str], ask: Ask) -> str:
    """The database whose tables stand before a request: the one that it names, or the only one; empty without any.

    `tables` are those of the prompt that its model was measured with, by the names of their databases.

    Tables of a single file stand in the instruction, and a request may bring definitions of its own.

    Raises:
        NoDatabaseError: it names none of several, or one that is not known.
    """
    known = sorted(tables)
    if ask.database is not None:
        if ask.database in tables:
            return ask.database
        fix = near(ask.database, known) or (f"It knows {_listed(known)}." if known else "It knows none by name.")
        raise NoDatabaseError(f"database: {ask.model} does not know the database `{ask.database}`. {fix}")
    brought = ask.turns is not None and TABLES in ask.turns[-1]["content"].casefold()
    if len(known) > 1 and not brought:
        message = f"{ask.model} was measured on several databases: name one as `database`, of {_listed(known)}."
        raise NoDatabaseError(f"{message} Or let the message bring its own CREATE TABLE.")
    return known[0] if len(known) == 1 else ""


def _listed(names: list[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
