"""Choosing examples for a prompt from training rows."""

from __future__ import annotations

import random
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal

from executors.json_answers import label_of, parse_strict
from executors.prompt.document import Example

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.data import Row

Select = Literal["balanced", "random"]


def choose(rows: Sequence[Row], count: int, *, select: Select, seed: int, label: str | None) -> tuple[Example, ...]:
    """`count` examples with different requests, or all that there are; the same for the same rows and seed.

    `balanced` goes round the labels, so that each is shown before one is shown twice. `label` names the property of a
    JSON answer that is the label; without it the answer as a whole is.
    """
    usable = list({row.prompt: row for row in rows if row.completion is not None and not row.before}.values())
    order = random.Random(seed)  # noqa: S311 - not a secret
    order.shuffle(usable)
    if select == "balanced":
        groups: dict[str, list[Row]] = {}
        for row in usable:
            groups.setdefault(_label(row, label), []).append(row)
        usable = [row for turn in zip_longest(*groups.values()) for row in turn if row is not None]
    return tuple(Example(id=row.id, prompt=row.prompt, completion=row.completion or "") for row in usable[:count])


def _label(row: Row, name: str | None) -> str:
    answer = row.completion or ""
    return answer if name is None else label_of(parse_strict(answer), name) or ""
