"""Errors of the arithmetic and of the catalog as findings: one sentence, the place, what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from planner.catalog import CatalogError
from planner.documents import InputError
from planner.memory import EstimateError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def told() -> Iterator[None]:
    """Turn what cannot be estimated or found into an `InputError` (exit code 2)."""
    try:
        yield
    except EstimateError as error:
        near = f"Did you mean {' or '.join(f'`{name}`' for name in error.near)}?" if error.near else ""
        allowed = f"Allowed: {error.allowed}." if error.allowed and not near else ""
        message = error.message[:1].upper() + error.message[1:]
        raise InputError.one("MEM001", message, near or allowed, pointer=f"/{error.field}") from error
    except CatalogError as error:
        near = f"Did you mean {', '.join(f'`{name}`' for name in error.near)}?" if error.near else ""
        message = f"The {error.kind} `{error.name}` {error.problem}."
        raise InputError.one("MEM002", message, " ".join(filter(None, (near, error.advice)))) from error
