"""The corpus: configurations with planted faults and clean ones, reviewed as their manifest says."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import adapt

if TYPE_CHECKING:
    from planner.documents import Findings

FOLDER = Path(__file__).parent
MANIFEST = tomllib.loads((FOLDER / "manifest.toml").read_text(encoding="utf-8"))
FAULTS: dict[str, str] = MANIFEST["fault"]
"""Name of a fault to the words of the domain."""
CODES: dict[str, list[str]] = MANIFEST["codes"]
"""Name of a fault to the rules that find it."""


REFUSED_PIN = "PIN001"
RULE = re.compile(r"\b[A-Z]{3}[0-9]{3}\b")


class Case(NamedTuple):
    """One configuration, what is known besides it, and what is planted in it."""

    path: Path
    plants: frozenset[str]
    hardware: str | None
    examples: int | None
    is_planned: bool = False
    """Whether the plan of the spec is reviewed, not the spec."""

    @property
    def name(self) -> str:
        """Its path in the corpus."""
        path = self.path.relative_to(FOLDER).as_posix()
        return f"plan of {path}" if self.is_planned else path


class Row(NamedTuple):
    """How a fault fared: in how many files it was found, missed, and raised where nobody planted it."""

    fault: str
    found: int
    missed: int
    wrong: int


def cases() -> list[Case]:
    """Every configuration of the manifest."""
    files = [
        Case(FOLDER / kind / name, frozenset(row.get("plants", ())), row.get("hardware"), row.get("examples"))
        for kind in ("faulty", "clean")
        for name, row in MANIFEST[kind].items()
    ]
    plans = MANIFEST["plans"].items()
    return [*files, *(Case(FOLDER / name, frozenset(row.get("plants", ())), None, None, True) for name, row in plans)]


@cache
def reviewed(case: Case) -> Findings:
    """The review of one configuration."""
    if case.is_planned:
        with TemporaryDirectory() as folder:
            adapt.save(adapt.plan(case.path), Path(folder, "plan.json"))
            return adapt.review([Path(folder, "plan.json")])
    return adapt.review([case.path], hardware=case.hardware, data=case.examples)


def raised(case: Case) -> frozenset[str]:
    """The faults whose rules found something of weight in a configuration."""
    # A pin that is refused names the rule that forbids it.
    found = reviewed(case).at_least("warning")
    codes = {finding.code for finding in found} | {
        word for finding in found if finding.code == REFUSED_PIN for word in RULE.findall(finding.message)
    }
    return frozenset(fault for fault, rules in CODES.items() if codes & set(rules))


def confusion() -> list[Row]:
    """Found, missed and wrongly raised, for every fault."""
    rows = []
    for fault in FAULTS:
        planted = [case for case in cases() if fault in case.plants]
        found = sum(fault in raised(case) for case in planted)
        wrong = sum(fault in raised(case) for case in cases() if fault not in case.plants)
        rows.append(Row(fault, found, len(planted) - found, wrong))
    return rows
