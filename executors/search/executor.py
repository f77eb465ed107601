"""The executor that finds a prompt by measurement: instruction, examples and passages, tried on rows to choose on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.errors import classify
from executors.evaluate.case import AnswerForm
from executors.evaluate.constraint import Decoding
from executors.evaluate.metrics import Metric
from executors.inputs import missing_inputs
from executors.models import Dtype
from executors.prompt.document import write_prompt
from executors.prompt.examples import Select
from executors.prompt.template import read_template
from executors.quantized import Quantization
from executors.search.halving import halve
from executors.search.leaderboard import Entry, Leaderboard, shown, write_leaderboard
from executors.search.rows import split
from executors.search.trials import Trials
from executors.search.variants import Space
from planner.documents import AdaptError, Endpoint, Finding, InputError, Resources, Step, Where
from planner.documents.task import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.search.halving import Standing
    from executors.search.variants import Variant
    from planner.documents.events import ErrorClass

# Metrics that follow from nothing but an answer and what was expected.
UNSUITED = frozenset({"agreement", "execution_accuracy", "judge", "perplexity"})


class PromptSearchParams(Params):
    """What is tried, and what it costs at most."""

    instruction: Annotated[str, Field(min_length=1)]
    """The task in the words of the spec."""
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")]
    """JSON Schema of the answer."""
    labels: list[str] | None
    """The closed set of labels."""
    format: OutputFormat
    """Form of the answer."""
    templates: Annotated[list[str], Field(min_length=1)]
    """Templates by name; the first is the one that examples are tried with."""
    counts: Annotated[list[Annotated[int, Field(ge=0, le=50)]], Field(min_length=1)]
    """Numbers of examples."""
    choices: list[Select]
    """Ways of choosing examples."""
    tables: Annotated[int, Field(ge=1)] | None = None
    """Most characters of the definitions of a database's tables; null without the input `database`."""
    passages: list[Annotated[int, Field(ge=1)]]
    """Numbers of passages in the request; empty without an index."""
    fit: bool
    """Leave out far examples where the context window does not hold all; otherwise such a prompt is left out."""
    metric: Metric
    """What a good prompt has more of: the strict score, and of equal ones the lenient."""
    rows: Annotated[int, Field(ge=2)]
    """Rows of the last round."""
    least_rows: Annotated[int, Field(ge=1)]
    """Rows of the first round at least."""
    halving: Annotated[int, Field(ge=2)]
    """One prompt of so many goes on, on so many times as many rows."""
    max_new_tokens: Annotated[int, Field(ge=1)]
    """Longest answer in tokens; generation stops there."""
    batch_size: Annotated[int, Field(ge=1)]
    """Rows answered together."""
    dtype: Dtype
    """Data type of the weights while they answer."""
    quantization: Quantization
    """Fewer bits of the weights while they answer."""
    decoding: Decoding
    """Whether answers can leave their form."""
    grammar: str | None = None
    """Grammar in EBNF for the decoding `grammar`, regular expression for `pattern`; null where neither is given."""
    endpoint: Endpoint | None
    """The server that answers, in place of an input `model`."""
    samples: Annotated[int, Field(ge=1, le=64)]
    """Answers drawn for each row, of which the one that most say counts; 1 for the likeliest tokens."""
    temperature: Annotated[float, Field(gt=0)]
    """Temperature of the draws; of no effect on a single answer."""
    seed: int
    """Seed of the rows' order, the choice of examples, the draws and bootstrap intervals."""


class PromptSearch:
    """Tries prompts by successive halving and writes the best one, with a leaderboard of all."""

    name: ClassVar[str] = "prompt-search"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = PromptSearchParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "bm25s", "sklearn")
    outputs: ClassVar[Mapping[str, str]] = {"prompt": "prompt", "leaderboard": "leaderboard"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs, and a metric that needs more than an answer."""
        del site
        found = missing_inputs(step, (("train",) if step.params.get("endpoint") else ("model", "train")), "EVAL002")
        metric = str(step.params.get("metric"))
        if metric in UNSUITED:
            message = f"Prompts cannot be chosen by {metric}, which needs more than an answer and what was expected."
            found.append(_finding("PROMPT010", message, "/params/metric", "Name another metric."))
        if bool(step.params.get("passages")) != ("index" in step.inputs):
            message = f"{step.address} must have both an input `index` and numbers of `passages`, or neither."
            found.append(_finding("PROMPT011", message, "/params/passages", "Name both, or drop both."))
        return found

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned: neither the step nor the site tells the size of model and data."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/prompt` and `out/leaderboard`; the measured metric is that of the rows that were chosen on.

        Raises:
            InputError: there are too few rows to choose on, or no prompt at all can be tried.
        """
        params: PromptSearchParams = job.params
        pool, rows, chosen_on = split(job)
        form = AnswerForm(params.format, params.json_schema, tuple(params.labels or ()), params.grammar)
        trials = Trials(job, pool, rows, form)
        space = Space(params.templates, params.counts, params.choices, params.passages, params.format)
        best, rounds, entries = space.start(), 0, dict["Variant", Entry]()
        for stage in space.stages():
            tried = space.around(best, stage)
            if tried == [best] and best in entries:
                continue
            found = halve(tried, len(rows), params.halving, params.least_rows, trials.score)
            for one in reversed(found):
                # Put at the end again: who stayed longest stands last.
                entries.pop(one.candidate, None)
                entries[one.candidate] = _entry(one, stage, rounds, trials)
            if found[0].round is not None:
                raise _nothing(found)
            rounds += max(one.round or 1 for one in found)
            best = found[0].candidate
        prompt, ranked = trials.prompts[best], tuple(reversed(entries.values()))
        leaderboard = Leaderboard(metric=params.metric, chosen_on=chosen_on, chosen=prompt.id, entries=ranked)
        write_prompt(prompt, job.out / "prompt")
        write_leaderboard(leaderboard, job.out / "leaderboard")
        return Outcome(
            metrics={f"chosen_{params.metric}": ranked[0].score} if ranked[0].score else {},
            notes={
                "prompt_id": prompt.id,
                "chosen": best.name,
                "chosen_on": chosen_on,
                "metric": params.metric,
                "leaderboard": shown(leaderboard),
                "answers": len(trials.made.answers),
                "resumed": trials.resumed,
            },
            tokens=sum(answer.tokens or 0 for answer in trials.made.answers.values()),
        )

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _entry(one: Standing[Variant], stage: str, rounds: int, trials: Trials) -> Entry:
    """A line of the leaderboard; `rounds` are those of earlier stages."""
    variant, prompt = one.candidate, trials.prompts.get(one.candidate)
    return Entry(
        variant=variant.name,
        prompt=None if prompt is None else prompt.id,
        template=variant.template,
        template_id=read_template(variant.template).id,
        examples=variant.examples,
        choice=variant.choice,
        passages=variant.passages,
        rows=one.rows,
        score=one.score.strict if one.score else None,
        lenient=one.score.lenient if one.score else None,
        prompt_tokens=one.score.tokens if one.score else None,
        answer_s=trials.answer_s.get(variant),
        stage=stage,
        left_in_round=None if one.round is None else rounds + one.round,
        because=one.because,
    )


def _nothing(found: Sequence[Standing[Variant]]) -> AdaptError:
    reasons = "; ".join(f"{one.candidate.name}: {one.because}" for one in found)
    fix = "Use fewer or shorter examples, allow `fit`, or take a model with a longer context window."
    return InputError.one("PROMPT012", f"No prompt can be tried. {reasons}.", fix)


def _finding(code: str, message: str, pointer: str, fix: str) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(pointer=pointer))
