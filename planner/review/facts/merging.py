"""Facts about a merge: how many models, of which bases, with which numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts import Unknown, fact
from planner.facts.model import architecture_of
from planner.review.facts.model import families_in, size_in
from planner.review.options import known_model

if TYPE_CHECKING:
    from planner.memory import Architecture
    from planner.review.configuration import Configuration

MERGING = ("book:model-merging",)
GIT_REBASIN = (*MERGING, "ainsworth-2022-git-rebasin")


def _names(configuration: Configuration, *, base: bool) -> list[str] | Unknown:
    sources = configuration.value("merge_sources")
    if not sources:
        return Unknown("the file merges no models")
    found = dict.fromkeys(str(name).partition("+")[0] for name in sources)
    if base and configuration.value("merge_base"):
        found[str(configuration.value("merge_base"))] = None
    return list(found)


@fact(unit="models", cite=MERGING)
def config_merge_models(configuration: Configuration) -> int | Unknown:
    """Different models that meet in the merge."""
    sources = configuration.value("merge_sources")
    return len(set(map(str, sources))) if sources else Unknown("the file merges no models")


@fact(unit="models", cite=MERGING)
def config_merge_tuned(configuration: Configuration) -> int | Unknown:
    """Different models that meet in the merge, the base left out."""
    sources = configuration.value("merge_sources")
    if not sources:
        return Unknown("the file merges no models")
    return len(set(map(str, sources)) - {str(configuration.value("merge_base"))})


@fact(unit="models", cite=("mergekit-docs",))
def config_merge_repeated(configuration: Configuration) -> int | Unknown:
    """Models that stand in the list more than once."""
    sources = configuration.value("merge_sources")
    return len(sources) - len(set(map(str, sources))) if sources else Unknown("the file merges no models")


@fact(cite=MERGING)
def config_merge_has_base(configuration: Configuration) -> bool:
    """Whether the file names the base that task vectors are taken from."""
    return configuration.value("merge_base") is not None


def _least_most(configuration: Configuration, name: str) -> tuple[float, float] | Unknown:
    numbers = configuration.value(name)
    return (min(numbers), max(numbers)) if numbers else Unknown(f"the file does not say {name}")


@fact(unit="fraction", cite=("shoemake-1985-slerp",))
def config_merge_least_t(configuration: Configuration) -> float | Unknown:
    """Smallest interpolation share of slerp."""
    found = _least_most(configuration, "merge_t")
    return found if isinstance(found, Unknown) else found[0]


@fact(unit="fraction", cite=("shoemake-1985-slerp",))
def config_merge_most_t(configuration: Configuration) -> float | Unknown:
    """Largest interpolation share of slerp."""
    found = _least_most(configuration, "merge_t")
    return found if isinstance(found, Unknown) else found[1]


@fact(unit="fraction", cite=("yadav-2023-ties",))
def config_merge_least_density(configuration: Configuration) -> float | Unknown:
    """Smallest share of a task vector that is kept."""
    found = _least_most(configuration, "merge_density")
    return found if isinstance(found, Unknown) else found[0]


@fact(unit="fraction", cite=("yadav-2023-ties",))
def config_merge_most_density(configuration: Configuration) -> float | Unknown:
    """Largest share of a task vector that is kept."""
    found = _least_most(configuration, "merge_density")
    return found if isinstance(found, Unknown) else found[1]


@fact(cite=("wortsman-2022-soups",))
def config_merge_weight_sum(configuration: Configuration) -> float | Unknown:
    """Sum of the models' weights."""
    numbers = configuration.value("merge_weights")
    return sum(numbers) if numbers else Unknown("the file gives no weights")


def _shapes(configuration: Configuration) -> list[Architecture]:
    names = _names(configuration, base=True)
    surveys = [known_model(name, configuration.folder) for name in (names if isinstance(names, list) else [])]
    shapes = [architecture_of(survey) for survey in surveys if survey is not None and survey.config]
    return [shape for shape in shapes if not isinstance(shape, Unknown)]


@fact(unit="shapes", cite=GIT_REBASIN)
def config_merge_shapes(configuration: Configuration) -> int | Unknown:
    """Different shapes among the models that are known: width, layers and heads."""
    shapes = _shapes(configuration)
    if len(shapes) <= 1:
        return Unknown("the shapes of the models are not known")
    return len({(each.hidden, each.layers, each.blocks[0].attention.key_width) for each in shapes})


@fact(unit="widths", cite=GIT_REBASIN)
def config_merge_widths(configuration: Configuration) -> int | Unknown:
    """Different widths among the models that are known."""
    shapes = _shapes(configuration)
    return len({each.hidden for each in shapes}) if len(shapes) > 1 else Unknown("the widths are not known")


@fact(unit="families", cite=GIT_REBASIN)
def config_merge_families(configuration: Configuration) -> int | Unknown:
    """Different families or sizes of models, by their names and by what the catalog knows of them."""
    names = _names(configuration, base=True)
    if isinstance(names, Unknown):
        return names
    told = [families_in(name) for name in names]
    sizes = {size for name in names if (size := size_in(name)) is not None}
    single = {next(iter(found)) for found in told if len(found) == 1}
    if len(names) <= 1 or len(single) + len(sizes) == 0:
        return Unknown("the names do not tell the families of the models")
    return max(len(single), len(sizes))


@fact(unit="vocabularies", cite=("mergekit-docs",))
def config_merge_vocabularies(configuration: Configuration) -> int | Unknown:
    """Different sizes of vocabulary among the models that are known."""
    shapes = _shapes(configuration)
    return len({each.vocab for each in shapes}) if len(shapes) > 1 else Unknown("the vocabularies are not known")


@fact(cite=("mergekit-docs",))
def config_merge_tokenizer_given(configuration: Configuration) -> bool:
    """Whether the file says whose tokenizer the result gets."""
    return configuration.value("merge_tokenizer") is not None


@fact(cite=("book:numerical-representations",))
def config_merge_release_dtype(configuration: Configuration) -> str | Unknown:
    """Dtype that the models were released in, when those that are known agree."""
    names = _names(configuration, base=True)
    surveys = [known_model(name, configuration.folder) for name in (names if isinstance(names, list) else [])]
    found = {survey.dtype for survey in surveys if survey is not None and survey.dtype}
    return found.pop() if len(found) == 1 else Unknown("the dtype of the models is not known")


@fact(cite=GIT_REBASIN)
def config_merge_shapes_differ(config_merge_shapes: int | Unknown) -> bool:
    """Whether the models are known to have different shapes."""
    return not isinstance(config_merge_shapes, Unknown) and config_merge_shapes > 1
