"""Facts about a merge that the spec asks for: what is wanted, of how many sources, of which bases and kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Merge
from planner.facts.registry import Unknown, fact
from planner.facts.words import words_of

if TYPE_CHECKING:
    from planner.documents import Spec
    from planner.survey import Survey

MERGING = ("book:model-merging",)
NO_MERGE = Unknown("no merge is asked for")
# The answers of the decision `merge`.
METHODS = frozenset({
    "linear", "slerp", "chained-slerp", "federated-average", "task-arithmetic", "ties", "dare-linear", "dare-ties",
    "della", "passthrough", "depth-upscaling", "moe", "concatenation",
})  # fmt: skip
# Methods that add the sources up; the others take their mean.
SUMS = ("task-arithmetic", "concatenation")


@fact(cite=MERGING)
def merge_requested(spec: Spec) -> bool:
    """Whether the spec asks to merge models."""
    return spec.merge is not None


@fact(cite=MERGING, words=words_of(Merge, "intent"))
def merge_intent(spec: Spec) -> str | Unknown:
    """What the merge is for."""
    return spec.merge.intent if spec.merge else NO_MERGE


@fact(cite=MERGING)
def merge_method(spec: Spec) -> str | Unknown:
    """The merge method that the spec names."""
    return spec.merge.method if spec.merge and spec.merge.method else Unknown("the spec names no merge method")


@fact(cite=MERGING)
def merge_method_known(merge_method: str) -> bool:
    """Whether the named method is one that is decided about here."""
    return merge_method in METHODS


@fact(unit="models", cite=MERGING)
def merge_sources(spec: Spec) -> int:
    """Models that take part in the merge."""
    return len(spec.merge.sources) if spec.merge else 0


@fact(unit="models", cite=MERGING)
def distinct_sources(spec: Spec) -> int:
    """Different models that take part in the merge: one that is named twice counts once."""
    return len({(source.id, source.path) for source in spec.merge.sources}) if spec.merge else 0


@fact(cite=MERGING)
def source_repeated(merge_sources: int, distinct_sources: int) -> bool:
    """Whether a source of the merge is named more than once."""
    return distinct_sources < merge_sources


@fact(cite=("mcmahan-2016-fedavg",))
def examples_told(spec: Spec) -> bool:
    """Whether every source of the merge says how many rows it learned from, as clients of a federated round do."""
    return spec.merge is not None and all(source.examples for source in spec.merge.sources)


@fact(cite=("mergekit-docs",))
def requests_told(spec: Spec) -> bool:
    """Whether every source of the merge names requests that it is good at."""
    return spec.merge is not None and all(source.requests for source in spec.merge.sources)


@fact(unit="models", cite=MERGING)
def merge_bases(survey: Survey) -> int | Unknown:
    """Different base models among the sources of the merge; a catalog's other names for a base count as one."""
    if not survey.merge_sources:
        return NO_MERGE
    names = {
        (source.base_model.catalog_id if source.base_model else None) or source.base for source in survey.merge_sources
    }
    known = names - {None}
    if len(known) > 1 or (len(known) == 1 and None not in names):
        return len(known)
    return Unknown("the bases of the merge's sources are not all named")


@fact(cite=MERGING)
def bases_named(survey: Survey) -> bool:
    """Whether every source of the merge has a base that is known by name."""
    return all(source.base for source in survey.merge_sources)


@fact(cite=MERGING)
def base_among_sources(spec: Spec) -> bool:
    """Whether a source of the merge is the base of another: its task vector is nothing."""
    sources = spec.merge.sources if spec.merge else ()
    return any(one.id == other.base and one is not other for one in sources for other in sources if one.id != other.id)


@fact(cite=(*MERGING, "peft-docs"), words=("models", "adapters", "mixed"))
def merge_kind(survey: Survey) -> str | Unknown:
    """What is merged: `models`, `adapters`, or both (`mixed`)."""
    if not survey.merge_sources:
        return NO_MERGE
    kinds = {source.kind for source in survey.merge_sources}
    if None in kinds:
        return Unknown("it is not known whether the sources are models or adapters")
    return "mixed" if len(kinds) > 1 else f"{kinds.pop()}s"


@fact(unit="rank", cite=(*MERGING, "peft-docs"))
def concatenated_rank(survey: Survey) -> int | Unknown:
    """Rank of the adapters' concatenation: the sum of theirs."""
    ranks = [source.rank for source in survey.merge_sources]
    if not ranks or None in ranks:
        return Unknown("the ranks of the merge's sources are not known")
    return sum(rank for rank in ranks if rank)


@fact(unit="models", cite=("mergekit-docs",))
def quantized_sources(survey: Survey) -> int:
    """Sources of the merge whose files hold quantized weights."""
    return sum(source.model is not None and source.model.quantization is not None for source in survey.merge_sources)


@fact(unit="dtypes", cite=("book:numerical-representations",))
def source_dtypes(survey: Survey) -> int:
    """Different dtypes of release, as far as known, among the sources of the merge."""
    return len({source.shape.dtype for source in survey.merge_sources if source.shape and source.shape.dtype})


@fact(cite=("book:numerical-representations",))
def source_dtype(survey: Survey) -> str | Unknown:
    """Dtype of release of the first source whose dtype is known."""
    known = [source.shape.dtype for source in survey.merge_sources if source.shape and source.shape.dtype]
    return known[0] if known else Unknown("the dtype of the merge's sources is not known")


@fact(unit="factor", cite=(*MERGING, "mergekit-docs"))
def merge_equal_weights(spec: Spec, merge: str) -> list[float] | Unknown:
    """A weight a source: equal shares of a mean, its rows of a federated one, 1 of a sum, -1 to remove."""
    if spec.merge is None or merge == "none":
        return NO_MERGE
    count = len(spec.merge.sources)
    if spec.merge.intent == "remove":
        return [-1.0] * count
    if merge == "federated-average":
        return [float(source.examples or 1) for source in spec.merge.sources]
    return [1.0 if merge in SUMS else round(1 / count, 6)] * count
