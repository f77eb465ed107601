"""The tables of the database that queries are asked of, as a prompt tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Input

if TYPE_CHECKING:
    from planner.ladder.draft import Draft


def database(draft: Draft) -> dict[str, Input]:
    """The input of a step whose prompt tells the tables; none where answers are no queries of a known database."""
    asked = draft.spec.task.output.format == "sql" and draft.survey.data.get("database") is not None
    return {"database": Input(pin="data/database")} if asked else {}


def characters(draft: Draft) -> int | None:
    """The most characters of the tables of one database, by the share of the context that they may take."""
    return int(draft.fact("table_characters")) if database(draft) else None
