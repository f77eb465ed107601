"""The one error of the catalog: a name that it cannot resolve to one entry."""

import difflib
from collections.abc import Iterable

NEAR_NAMES_SHOWN = 4
NEAR_CUTOFF = 0.5
SHORTEST_PART = 3  # characters below which one name within another says nothing


class CatalogError(LookupError):
    """A name that the catalog does not hold, or that means several entries.

    Raised instead of guessing: a plan made for the wrong device or model is worse than no plan.

    Attributes:
        kind: what was looked up: "device", "model", "reference" or "hardware".
        name: the name as it was given.
        problem: what is wrong with it, as a phrase.
        near: names that exist and read alike, best first.
        advice: what to do, as a sentence.
    """

    def __init__(self, kind: str, name: str, problem: str, near: Iterable[str], advice: str) -> None:
        self.kind = kind
        self.name = name
        self.problem = problem
        self.near = tuple(near)
        self.advice = advice
        hint = f" Near names: {', '.join(self.near)}." if self.near else ""
        super().__init__(f"{kind} {name!r} {problem}.{hint} {advice}")


def near_names(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Known names that read like `name`, best first; case does not count.

    A name that contains the given one, or is contained in it, comes before those that merely look alike.
    """
    spelled = {each.lower(): each for each in sorted(known, reverse=True)}
    wanted = name.lower()
    inside = sorted(
        (low for low in spelled if min(len(low), len(wanted)) >= SHORTEST_PART and (wanted in low or low in wanted)),
        key=lambda low: (len(low), low),
    )
    alike = difflib.get_close_matches(wanted, sorted(spelled), n=NEAR_NAMES_SHOWN, cutoff=NEAR_CUTOFF)
    best = dict.fromkeys([*alike[:1], *inside, *alike])
    return tuple(spelled[low] for low in list(best)[:NEAR_NAMES_SHOWN])
