"""Preference accuracy: how often a model holds the answer that people chose for the better one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from executors.evaluate.perplexity import Surprise, read_texts
from executors.intervals import mean, proportion
from executors.models import load_tokenizer
from executors.prompt.document import read_prompt
from executors.prompt.nearest import prompts_for
from executors.prompt.render import completion_ids, prompt_ids
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.contract import Job
    from executors.data import Row
    from planner.documents import Measurement

METRIC = "preference_accuracy"


class Margin(NamedTuple):
    """By how much a model prefers the chosen answer to the rejected one; above 0 it agrees with people."""

    likelihood: float
    """Difference of the log-probabilities a token, in nats: of whole answers, the shorter one would mostly win."""
    reward: float | None
    """Difference of the rewards: what was gained in log-probability over the model before training, in nats, by which
    DPO and its kin rank answers [rafailov-2023-dpo]; None without that model."""

    @property
    def agrees(self) -> bool:
        """Whether the model prefers what people chose: by its reward where there is one."""
        return (self.likelihood if self.reward is None else self.reward) > 0


def margins(job: Job, rows: Sequence[Row]) -> list[Margin]:
    """The margin of every row that compares two answers.

    With an input `before`, the folder of the model that training started from, answers are ranked by reward.

    Raises:
        InputError: a row does not compare two answers.
    """
    alone = next((row for row in rows if row.completion is None or row.rejected is None), None)
    if alone is not None:
        message = f"{METRIC} is measured on comparisons, and the row {alone.id} has no chosen and rejected answer."
        fix = "Measure on rows with prompt, chosen and rejected, or drop the metric."
        raise InputError.one("DATA026", message, fix, file=str(job.inputs["data"]))
    tokenizer = load_tokenizer(Path(job.inputs["model"]))
    prompts = prompts_for(read_prompt(Path(job.inputs["prompt"])), rows)
    texts = [
        (prompt_ids(tokenizer, prompt, row), completion_ids(tokenizer, answer))
        for prompt, row in zip(prompts, rows, strict=True)
        for answer in (row.completion or "", row.rejected or "")
    ]
    now = read_texts(job, texts, job.inputs["model"], job.inputs.get("adapter"), "reading both answers")
    before = job.inputs.get("before")
    then = read_texts(job, texts, before, None, "reading both answers by the model before") if before else []
    return [
        Margin(
            _a_token(now[at + 1]) - _a_token(now[at]),
            (now[at + 1].nll - now[at].nll) - (then[at + 1].nll - then[at].nll) if then else None,
        )
        for at in range(0, len(now), 2)
    ]


def measured(found: Sequence[Margin], seed: int) -> dict[str, Measurement]:
    """The share of comparisons on which the model agrees, and what it goes by."""
    metrics = {
        METRIC: proportion(sum(margin.agrees for margin in found), len(found)),
        "likelihood_accuracy": proportion(sum(margin.likelihood > 0 for margin in found), len(found)),
        "likelihood_margin": mean([margin.likelihood for margin in found], seed),
    }
    rewards = [margin.reward for margin in found if margin.reward is not None]
    return metrics | ({"reward_margin": mean(rewards, seed)} if rewards else {})


def _a_token(surprise: Surprise) -> float:
    return surprise.nll / surprise.tokens
