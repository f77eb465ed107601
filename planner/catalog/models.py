"""Well-known open models: architecture, exact size, release dtype, context, licence.

The data is one JSON file a family under `models/`; nothing is read before the first lookup, and only the model
asked for is validated, so that a plan pays milliseconds for it.
"""

import functools
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from planner.catalog.errors import CatalogError, near_names

DATA = Path(__file__).with_name("models")

Raw = dict[str, JsonValue]
Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
Task = Literal["causal", "encoder", "encoder-decoder", "image-text", "masked"]


class CatalogModel(BaseModel):
    """One published model, with what a plan needs to know before its files are at hand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="id on the model hub, organisation/name")
    aliases: tuple[str, ...] = Field(default=(), description="other ids and short names that mean this model")
    family: str = Field(description="name of the file that holds it")
    task: Task = Field(description="what the published head does")
    tuned: Literal["base", "instruct"] = Field(description="as pretrained, or tuned to follow instructions")
    released: Month = Field(description="month of publication, YYYY-MM")
    licence: str = Field(description="SPDX identifier, or the licence's own name")
    commercial_use: bool = Field(description="whether the licence allows commercial use, possibly on conditions")
    gated: bool | None = Field(default=None, description="whether the hub asks for acceptance before download")
    dtype: Literal["bf16", "fp16", "fp32", "fp8", "mxfp4"] = Field(description="dtype of the released weights")
    trained_dtype: Literal["bf16", "fp16", "fp32"] | None = Field(
        default=None, description="dtype that it was trained in, where known to differ from the released one"
    )
    params: Annotated[int, Field(gt=0)] = Field(description="parameters, tied ones counted once")
    context_tokens: Annotated[int, Field(gt=0)] = Field(
        description="longest input that was trained or configured, tokens"
    )
    source: str = Field(description="address that publishes the model's config")
    config: dict[str, JsonValue] = Field(description="fields of config.json that fix the shape of every parameter")

    @property
    def organisation(self) -> str:
        """The part of the id before the slash."""
        return self.id.partition("/")[0]


def find_model(name: str) -> CatalogModel:
    """The model that `name` means: an id, an alias, or an id without its organisation, in any case.

    Raises:
        CatalogError: no model has that name, or models of several organisations do.
    """
    wanted = name.strip().lower()
    ids = _index().get(wanted, ())
    if not ids:
        advice = "Use an id that `adapt models` lists, or give the model's folder as `path`."
        raise CatalogError("model", name, "is not in the catalog", near_names(wanted, _spellings()), advice)
    if len(ids) > 1:
        raise CatalogError("model", name, "means several models", ids, "Write the organisation before the name.")
    return CatalogModel.model_validate(_raw()[ids[0]])


def is_known_model(name: str) -> bool:
    """Whether `find_model` would return a model for this name."""
    return len(_index().get(name.strip().lower(), ())) == 1


def model_ids() -> tuple[str, ...]:
    """Ids of every model in the catalog, sorted without regard to case."""
    return tuple(sorted(_raw(), key=str.lower))


@functools.cache
def all_models() -> tuple[CatalogModel, ...]:
    """Every model of the catalog, in the order of `model_ids`; validates all, so not for a single lookup."""
    return tuple(CatalogModel.model_validate(_raw()[each]) for each in model_ids())


@functools.cache
def _raw() -> dict[str, Raw]:
    """Entries as they stand in the files, by id, each with the family of its file."""
    entries: dict[str, Raw] = {}
    for path in sorted(DATA.glob("*.json")):
        for entry in json.loads(path.read_text(encoding="utf-8"))["models"]:
            entries[entry["id"]] = {**entry, "family": path.stem}
    return entries


@functools.cache
def _index() -> dict[str, tuple[str, ...]]:
    """Ids by lower-case name: full ids first, then aliases, then names without organisation."""
    index: dict[str, tuple[str, ...]] = {each.lower(): (each,) for each in _raw()}
    for each, entry in _raw().items():
        for alias in _aliases(entry):
            index.setdefault(alias.lower(), (each,))
    bare: dict[str, tuple[str, ...]] = {}
    for each, entry in _raw().items():
        for spelling in (each, *_aliases(entry)):
            short = spelling.lower().rpartition("/")[2]
            bare[short] = tuple(dict.fromkeys((*bare.get(short, ()), each)))
    return {**bare, **index}


def _aliases(entry: Raw) -> list[str]:
    aliases = entry.get("aliases", [])
    return [str(alias) for alias in aliases] if isinstance(aliases, list) else []


def _spellings() -> list[str]:
    return [spelling for each, entry in _raw().items() for spelling in (each, each.partition("/")[2], *_aliases(entry))]
