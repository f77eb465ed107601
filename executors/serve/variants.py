"""What a run can serve: its base as it is, and each rung that was measured on it, under a name of its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from executors.evaluate.case import AnswerForm
from executors.evaluate.executor import EvaluateParams
from executors.prompt.document import read_prompt
from executors.serve.forms import best_of, form_of, rungs_of
from executors.train.params import given
from planner.documents import InputError, fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.models import Dtype
    from executors.prompt.document import Prompt
    from executors.quantized import KvCache, Quantization
    from executors.serve.forms import Rung
    from executors.sources import Sources

SEARCH = ("encoder", "index", "reranker", "rewriting")
# Longest answer of a model that no rung has measured, in tokens.
ANSWER_TOKENS = 256


@dataclass(frozen=True)
class Variant:
    """One model by name: what stands before a request, and what is on top of the base."""

    name: str
    adapter: Path | None = None
    prompt: Prompt | None = None
    """Put before every request, as it was when the rung was measured; None sends requests as they come."""
    search: dict[str, Path | str] = field(default_factory=dict)
    """The index, the models that its search needs, how queries are made of requests; empty without one."""
    form: AnswerForm | None = None
    params: EvaluateParams | None = None
    """How the rung was measured; None for the base as it is."""

    @property
    def answer_tokens(self) -> int:
        """Longest answer where a request does not say."""
        thinking = self.prompt.thinking_tokens if self.prompt else 0
        return (self.params.max_new_tokens if self.params else ANSWER_TOKENS) + thinking


@dataclass(frozen=True)
class Served:
    """A base and all that is served on it."""

    folder: Path
    dtype: Dtype
    quantization: Quantization
    variants: tuple[Variant, ...]
    """The first is what is asked for most: the run's own result."""
    kv_cache: KvCache = "16-bit"
    """In what keys and values are kept while it answers."""

    @property
    def labels(self) -> bool:
        """Whether heads answer, which give labels and write no text."""
        return _gives_labels(self.variants[0].params)


def served(runs: Sequence[Sources], *, form: str | None = None, kv_cache: KvCache | None = None) -> Served:
    """What several runs on one base serve together.

    Args:
        runs: each with a report.
        form: which model of the run is served, merged or quantized; see `forms_of`. None for what its best rung reads.
        kv_cache: in what keys and values are kept; None for as the run measured.

    Raises:
        InputError: a run has measured nothing, has no such form, or the runs are on different bases.
    """
    bases: list[tuple[Path, Dtype, Quantization]] = []
    variants: list[Variant] = []
    for run in runs:
        folder, found = _of_run(run, form)
        measured = given(found[0].params)
        bases.append((folder, measured.dtype, measured.quantization))
        variants += found
    if len({fingerprint(base[0])[0] for base in bases}) > 1:
        names = ", ".join(run.plan.name for run in runs)
        message = f"The runs {names} are on different bases, and one server holds one base."
        raise InputError.one("SERVE002", message, "Serve them apart, on ports of their own.")
    folder, dtype, quantization = bases[0]
    if len({_gives_labels(variant.params) for variant in variants}) > 1:
        message = "Of these runs some end in heads over labels and some in models that write."
        raise InputError.one("SERVE004", message, "Serve them apart, on ports of their own.")
    distinct, kept = tuple(_distinct(variants)), kv_cache or given(variants[0].params).kv_cache
    if _gives_labels(variants[0].params):
        if kept != "16-bit":
            message = f"A head over labels keeps no keys and values, in {kept} or otherwise."
            raise InputError.one("SERVE005", message, "Leave --cache out.")
        return Served(folder, dtype, quantization, distinct)
    plain = Variant(_base_name(runs[0], folder, whole=form is not None))
    return Served(folder, dtype, quantization, (*distinct, plain), kept)


def _gives_labels(params: EvaluateParams | None) -> bool:
    return params is not None and params.decoding == "head"


def _of_run(run: Sources, form: str | None) -> tuple[Path, list[Variant]]:
    """The model folder of a run, and its rungs on it; the result of the run, or of its form, first."""
    rungs = rungs_of(run)
    best = best_of(rungs, run) if form is None else form_of(rungs, run, form)
    others = (rung for rung in rungs if rung.folder == best.folder and rung is not best)
    chosen = [best, *(rung for rung in others if (rung.head, rung.cache) == (best.head, best.cache))]
    return best.folder, [_variant(rung, run, is_best=rung is best) for rung in chosen]


def _variant(rung: Rung, run: Sources, *, is_best: bool) -> Variant:
    params = EvaluateParams.model_validate(dict(rung.step.params))
    prompt = run.find(rung.step.inputs["prompt"]) if "prompt" in rung.step.inputs else None
    search = {
        name: source for name in SEARCH if name in rung.step.inputs and (source := run.find(rung.step.inputs[name]))
    }
    return Variant(
        name=run.plan.name if is_best else f"{run.plan.name}:{rung.name}",
        adapter=rung.adapter,
        prompt=read_prompt(prompt) if isinstance(prompt, Path) else None,
        search=search,
        form=AnswerForm(params.format, params.json_schema, tuple(params.labels or ())),
        params=params,
    )


def _base_name(run: Sources, folder: Path, *, whole: bool) -> str:
    """The id of the base; of a merged model, which is no base, the plan's name with what it is."""
    if whole:
        return f"{run.plan.name}:plain"
    decision = run.plan.decision("base_model")
    pin = run.plan.pins.get("model/base")
    return str((pin.id if pin else None) or (decision.answer if decision else None) or folder.name)


def _distinct(variants: list[Variant]) -> list[Variant]:
    """Runs of plans of one name are told apart by a number."""
    seen: dict[str, int] = {}
    found = []
    for variant in variants:
        seen[variant.name] = seen.get(variant.name, 0) + 1
        number = seen[variant.name]
        name = variant.name if number == 1 else f"{variant.name}@{number}"
        found.append(variant if number == 1 else replace(variant, name=name))
    return found
