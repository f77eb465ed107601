"""The tables of the database that queries are asked of: what a prompt tells of them, and the room that this takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Input
from planner.survey.tokens import BYTES_PER_TOKEN

if TYPE_CHECKING:
    from planner.ladder.draft import Draft


def database(draft: Draft) -> dict[str, Input]:
    """The input of a step whose prompt tells the tables; none where answers are no queries of a known database."""
    asked = draft.spec.task.output.format == "sql" and draft.survey.data.get("database") is not None
    return {"database": Input(pin="data/database")} if asked else {}


def characters(draft: Draft) -> int | None:
    """The most characters of the tables of one database, by the share of the context that they may take."""
    if not database(draft):
        return None
    context = draft.fact("context_tokens") or draft.thresholds["short_context"]
    return int(context * draft.thresholds["tables_context_share"] * BYTES_PER_TOKEN)


def table_tokens(draft: Draft) -> int:
    """Tokens that the tables of the largest database take in a prompt, at most; 0 without a database."""
    most = characters(draft)
    known = draft.survey.data.get("database")
    if most is None or known is None or known.tokens is None:
        return 0
    return min(known.tokens.max, int(most / BYTES_PER_TOKEN))
