"""The numbers of a merge of whole models, as a plan says them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from executors.contract import Params
from executors.evaluate.executor import EvaluateParams
from executors.models import Dtype

Method = Literal[
    "linear",
    "slerp",
    "chained-slerp",
    "federated-average",
    "task-arithmetic",
    "ties",
    "dare-linear",
    "dare-ties",
    "della",
    "passthrough",
    "depth-upscaling",
    "moe",
    "concatenation",
]
Number = Annotated[float, Field(allow_inf_nan=False)]
STACKS = frozenset({"passthrough", "depth-upscaling"})
VECTORS = frozenset({"task-arithmetic", "ties", "dare-linear", "dare-ties", "della"})
# Methods that need no base of which the sources are changes.
ALIGNED = frozenset({"linear", "slerp", "chained-slerp", "federated-average"})
# Methods that divide sources by the sum of their weights, or may: what is brought to one length keeps that sum.
SUMMED = VECTORS | {"linear"}
# Methods whose result on adapters can be an adapter.
OF_ADAPTERS = frozenset({"concatenation", "linear", "task-arithmetic", "ties", "dare-linear", "dare-ties"})
_PRUNED = ("weights", "normalize", "scale", "density")
# The parameters that belong to each method; all others must be absent.
OF_METHOD: dict[str, tuple[str, ...]] = {
    "linear": ("weights", "normalize"),
    "slerp": ("t",),
    "chained-slerp": ("chain",),
    "federated-average": ("weights",),
    "task-arithmetic": ("weights", "normalize", "scale"),
    "ties": _PRUNED,
    "dare-linear": _PRUNED,
    "dare-ties": _PRUNED,
    "della": (*_PRUNED, "spread"),
    "passthrough": ("layers", "slices"),
    "depth-upscaling": ("layers", "slices"),
    "moe": ("experts", "experts_per_token", "router"),
    "concatenation": ("weights",),
}
# What remains of a vector after pruning at random is scaled up again, so that its expected length stays.
RESCALED = frozenset({"dare-linear", "dare-ties", "della"})
DTYPES: dict[Dtype, str] = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
# Weights whose sum is nearer to zero divide by nothing.
LEAST_SUM = 1e-6


class Slice(Params):
    """Layers of one source that the stack takes."""

    source: Annotated[int, Field(ge=0)]
    """Number of the source."""
    layers: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]
    """First layer and one past the last."""

    @model_validator(mode="after")
    def _something(self) -> Slice:
        if self.layers[0] >= self.layers[1]:
            raise ValueError(f"the layers {self.layers[0]} to {self.layers[1]} are none")
        return self


class Candidate(Params):
    """Numbers that a search tries in place of the decided ones."""

    weights: tuple[Number, ...] | None = None
    """Weight of each source; sources of the weight 0 are left out of a mean."""
    scale: Number | None = None
    """Factor of the merged task vector."""
    t: Annotated[float, Field(ge=0, le=1)] | None = None
    """Place on the arc from the first source to the second."""

    @field_validator("weights", mode="before")
    @classmethod
    def _hashable(cls, given: object) -> object:
        return tuple(given) if isinstance(given, list) else given


class MergeModelsParams(Params):
    """The method of a merge of whole models with every number that belongs to it."""

    method: Method
    """How the sources become one."""
    adapters: Annotated[list[bool], Field(min_length=1)]
    """For each source whether it is an adapter, which is added to the base first."""
    dtype: Dtype
    """Data type of the weights that are written; sums are taken in fp32."""
    tokenizer: Literal["base", "union"]
    """Whose vocabulary the result has."""
    alignment: Literal["none", "permutation"]
    """Whether units of the other sources are brought into the order of the first before weights are added."""
    rescale_above: Annotated[float, Field(ge=1)] | None = None
    """How many times as long as the shortest the longest source may be before all are brought to one length: of the
    changes from the base where the method takes those, else of the weights; null leaves them."""
    search: Literal["none", "greedy-soup", "grid"]
    """Whether the numbers are searched on validation data."""
    result: Literal["model", "adapter"] = "model"
    """Whether the sum of adapters is kept as an adapter too, beside the model that it makes of its base."""
    rank: Annotated[int, Field(ge=1)] | None = None
    """Rank of that adapter; null for the sum of its sources' ranks, which loses nothing of a sum."""
    choosing: EvaluateParams | None = None
    """How a search measures a candidate on the validation rows: as an evaluation, whose first metric chooses."""
    candidates: Annotated[list[Candidate], Field(min_length=1, max_length=50)] | None = None
    """Numbers that a grid compares, in place of the ones above; a greedy soup finds its own."""
    seed: int
    """Seed of what is dropped at random."""
    weights: list[Number] | None = None
    """Weight of each source; below zero removes what it learnt."""
    normalize: bool | None = None
    """Whether weights are divided by their sum."""
    scale: Number | None = None
    """Factor of the merged task vector."""
    density: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of each task vector that is kept."""
    spread: Annotated[float, Field(ge=0, lt=1)] | None = None
    """How far the chance to be kept spreads around the density, by magnitude."""
    t: Annotated[float, Field(ge=0, le=1)] | None = None
    """Place on the arc from the first source (0) to the second (1)."""
    chain: list[Annotated[float, Field(ge=0, le=1)]] | None = None
    """Place of each source but the first on the arc to it from what the ones before it became."""
    layers: Annotated[int, Field(ge=1)] | None = None
    """Layers of the stack."""
    slices: list[Slice] | None = None
    """Which layers follow each other."""
    experts: Annotated[int, Field(ge=2)] | None = None
    """Experts of a mixture."""
    experts_per_token: Annotated[int, Field(ge=1)] | None = None
    """Experts that read each token."""
    router: Literal["random", "uniform-random", "hidden"] | None = None
    """How the mixture's router begins: at random (as wide as a normal distribution, or as a new layer does), or with
    what the base makes of each expert's requests."""
    requests: list[Annotated[list[str], Field(min_length=1)]] | None = None
    """For each expert, requests that it is to answer; only with a router that begins with them."""

    @model_validator(mode="after")
    def _belongs(self) -> MergeModelsParams:
        own, given = set(OF_METHOD[self.method]), self.model_fields_set - _SHARED
        absent = sorted(name for name in own if getattr(self, name) is None)
        if absent:
            raise ValueError(f"{self.method} needs {', '.join(absent)}")
        if foreign := sorted(given - own):
            raise ValueError(f"{self.method} takes no {', '.join(foreign)}")
        return self

    @model_validator(mode="after")
    def _weighs(self) -> MergeModelsParams:
        count = len(self.adapters)
        if self.method == "slerp" and count != 2:  # noqa: PLR2004 - an arc has two ends
            raise ValueError(f"slerp takes two sources, not {count}: chained-slerp takes more")
        if self.chain is not None and len(self.chain) != max(2, count) - 1:
            raise ValueError(f"a chain over {count} sources has {max(2, count) - 1} places, not {len(self.chain)}")
        if self.weights is not None and len(self.weights) != count:
            raise ValueError(f"{len(self.weights)} weights are given for {count} sources")
        if self.weights and not any(self.weights):
            raise ValueError("every weight is zero, so there is nothing to merge")
        if self.method == "federated-average" and (any(self.adapters) or min(self.weights or [0]) <= 0):
            raise ValueError("a federated average is of whole models with weights above zero")
        if self.weights and self.normalize and abs(sum(self.weights)) < LEAST_SUM:
            raise ValueError("the weights sum to zero and cannot be divided by their sum; set normalize to false")
        if self.density is not None and self.spread is not None:
            low, high = self.density - self.spread, self.density + self.spread
            if self.density < 1 and not 0 < low <= high < 1:
                raise ValueError(f"density {self.density:g} with spread {self.spread:g} leaves 0..1")
        return self

    @model_validator(mode="after")
    def _adds_adapters(self) -> MergeModelsParams:
        if self.result == "model":
            if self.method == "concatenation" or self.rank is not None:
                raise ValueError("a concatenation, and a rank, need the result adapter")
            return self
        if not all(self.adapters) or self.method not in OF_ADAPTERS:
            raise ValueError(f"{self.method} of these sources makes no adapter: only sums of adapters are adapters")
        mean = self.method in ("linear", "ties", "dare-ties")
        if mean and not (self.normalize and min(self.weights or [0]) > 0):
            raise ValueError(f"{self.method} of adapters divides weights above zero by their sum")
        return self

    @model_validator(mode="after")
    def _rescales(self) -> MergeModelsParams:
        if self.rescale_above is not None and (self.method not in SUMMED or self.result == "adapter"):
            raise ValueError(f"{self.method} brings nothing to one length: set rescale_above to null")
        if self.alignment != "none" and (self.method not in ALIGNED or any(self.adapters) or self.tokenizer != "base"):
            raise ValueError("units are matched between whole models of one vocabulary, for a mean or an arc")
        return self

    @model_validator(mode="after")
    def _mixes(self) -> MergeModelsParams:
        if self.method != "moe":
            if self.requests is not None:
                raise ValueError(f"{self.method} takes no requests")
            return self
        experts, count = self.experts or 0, len(self.adapters)
        if count not in (experts, 1):
            raise ValueError(f"{experts} experts are made of as many sources, or of one, and not of {count}")
        if (self.experts_per_token or 0) > experts:
            raise ValueError(f"{self.experts_per_token} experts read each token, and there are {experts}")
        if (self.router == "hidden") != (self.requests is not None) or len(self.requests or [[]] * experts) != experts:
            raise ValueError("a router that begins with requests needs those of every expert, and no other takes any")
        return self

    @model_validator(mode="after")
    def _stacks(self) -> MergeModelsParams:
        slices = self.slices or []
        if beyond := [each.source for each in slices if each.source >= len(self.adapters)]:
            raise ValueError(f"a slice is of source {beyond[0]}, and there are {len(self.adapters)}")
        total = sum(each.layers[1] - each.layers[0] for each in slices)
        if self.slices is not None and total != self.layers:
            raise ValueError(f"the slices have {total} layers together and not {self.layers}")
        return self

    @model_validator(mode="after")
    def _searches(self) -> MergeModelsParams:
        if (self.search == "none") != (self.choosing is None):
            raise ValueError("a search needs choosing, which says how a candidate is measured, and nothing else does")
        if (self.search == "grid") != (self.candidates is not None):
            raise ValueError("a grid needs candidates, and nothing else does")
        if self.search == "greedy-soup" and (self.method != "linear" or min(self.weights or [0]) <= 0):
            raise ValueError("a greedy soup is a linear merge with weights above zero")
        if self.choosing and self.choosing.metrics[0] in UNSUITED:
            raise ValueError(f"a merge cannot be chosen by {self.choosing.metrics[0]}: name a score of answers")
        for each in self.candidates or []:
            self.with_numbers(each)
        return self

    def with_numbers(self, numbers: Candidate) -> MergeModelsParams:
        """The same merge without a search, by the numbers of a candidate.

        Raises:
            ValueError: they do not belong to the method, or mean nothing.
        """
        changed = {name: list(value) if name == "weights" else value for name, value in numbers if value is not None}
        own = self.model_dump(exclude_unset=True, exclude={"choosing", "candidates"})
        return MergeModelsParams.model_validate(own | {"search": "none"} | changed)

    def measured_by(self) -> EvaluateParams:
        """How a search measures.

        Raises:
            ValueError: there is no search.
        """
        if self.choosing is None:
            raise ValueError("a merge without a search measures nothing")
        return self.choosing


_SHARED = frozenset({
    "method", "adapters", "dtype", "tokenizer", "alignment", "rescale_above", "search", "result", "rank", "choosing",
    "candidates", "seed", "requests",
})  # fmt: skip
# Metrics that need more than a model, a prompt and rows, or of which less is more.
UNSUITED = frozenset({"agreement", "execution_accuracy", "judge", "perplexity", "preference_accuracy"})
