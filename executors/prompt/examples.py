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

Select = Literal["balanced", "random", "diverse", "similar"]


def choose(rows: Sequence[Row], count: int, *, select: Select, seed: int, label: str | None) -> tuple[Example, ...]:
    """`count` examples with different requests, or all that there are; the same for the same rows and seed.

    Texts without a request and longer conversations cannot be shown.

    `balanced` goes round the labels, so that each is shown before one is shown twice; `diverse` takes one of each
    group of like requests; `similar` leaves the choice to the request and returns all rows. `label` names the property
    of a JSON answer that is the label; without it the answer as a whole is.
    """
    shown = (row for row in rows if row.completion is not None and row.prompt.strip() and not row.before)
    usable = list({row.prompt: row for row in shown}.values())
    order = random.Random(seed)  # noqa: S311 - not a secret
    order.shuffle(usable)
    if select == "balanced":
        groups: dict[str, list[Row]] = {}
        for row in usable:
            groups.setdefault(_label(row, label), []).append(row)
        usable = [row for turn in zip_longest(*groups.values()) for row in turn if row is not None]
    if select == "diverse" and count < len(usable):
        usable = _spread(usable, count, seed)
    if select == "similar":
        count = len(usable)
    return tuple(Example(id=row.id, prompt=row.prompt, completion=row.completion or "") for row in usable[:count])


def _spread(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """The row nearest to the middle of each of `count` groups of requests, in the order of the rows."""
    from sklearn.cluster import KMeans
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import pairwise_distances_argmin

    places = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True).fit_transform([row.prompt for row in rows])  # noqa: S106
    groups = KMeans(count, random_state=seed, n_init=1).fit(places)
    return [rows[at] for at in sorted(set(pairwise_distances_argmin(groups.cluster_centers_, places)))]


def _label(row: Row, name: str | None) -> str:
    answer = row.completion or ""
    return answer if name is None else label_of(parse_strict(answer), name) or ""
