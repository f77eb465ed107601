"""The sources that rules, facts, thresholds, devices and prices cite by key."""

import functools
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from planner.catalog.errors import CatalogError, near_names

DATA = Path(__file__).with_name("references.toml")


class Reference(BaseModel):
    """A published source, with at least one way to find it: DOI, arXiv id, ISBN or address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(description="what a rule writes in `cite`")
    title: str
    section: str | None = Field(default=None, description="chapter and section, for a book")
    authors: str | None = Field(default=None, description="family names, or the publisher")
    year: int | None = None
    venue: str | None = Field(default=None, description="journal, conference, publisher or site")
    doi: str | None = None
    arxiv: str | None = Field(default=None, pattern=r"^\d{4}\.\d{4,5}$")
    isbn: str | None = None
    url: str | None = None
    version: str | None = Field(default=None, description="version of the documented software")
    accessed: str | None = Field(default=None, description="day it was read, YYYY-MM-DD")

    @property
    def address(self) -> str:
        """Where to find it: the DOI's address, else arXiv's, else the page, else the ISBN."""
        if self.doi:
            return f"https://doi.org/{self.doi}"
        if self.arxiv:
            return f"https://arxiv.org/abs/{self.arxiv}"
        return self.url or f"ISBN {self.isbn}"

    def __str__(self) -> str:
        who = f"{self.authors}" if self.authors else ""
        when = f" ({self.year})" if self.year else ""
        what = f"{self.title}, {self.section}" if self.section else self.title
        version = f", version {self.version}" if self.version else ""
        return f"{who}{when}: {what}{version}. {self.address}".lstrip(": ")


def reference(key: str) -> Reference:
    """The source that `key` names.

    Raises:
        CatalogError: no source has that key.
    """
    table = _raw().get(key)
    if table is None:
        advice = "Use a key of planner/catalog/references.toml, or add the source there."
        raise CatalogError("reference", key, "is not a known source", near_names(key, _raw()), advice)
    return Reference.model_validate({"key": key, **table})


def reference_keys() -> tuple[str, ...]:
    """Every key, sorted."""
    return tuple(sorted(_raw()))


def all_references() -> tuple[Reference, ...]:
    """Every source, sorted by key."""
    return tuple(reference(key) for key in reference_keys())


@functools.cache
def _raw() -> dict[str, dict[str, str | int]]:
    return tomllib.loads(DATA.read_text(encoding="utf-8"))
