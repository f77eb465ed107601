"""Whether one step's answers are really better than another's to the same cases: paired tests, as pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.intervals import RESAMPLES, macro_scores, micro_f1
from planner.documents import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planner.documents import Measurement

# Fewer cases than this are not compared: hardly a difference would be beyond chance.
LEAST_CASES = 5
SIGNIFICANCE = 0.05


class Comparison(ReadAhead):
    """A step's metric less another's on the same cases."""

    step: str
    against: str
    """The step that is compared with."""
    rung: str | None = None
    """The rung that the other step measured."""
    metric: str
    value: float
    """The difference: above 0, the step has the higher value."""
    low: float
    high: float
    """Ends of the 95% paired bootstrap interval over cases [efron-1979-bootstrap]."""
    n: int
    """Cases that both answered."""
    p_value: float | None = None
    """McNemar's exact test, of metrics that are right or wrong case by case [mcnemar-1947]."""

    @property
    def is_real(self) -> bool:
        """Whether the difference is beyond chance, by the interval, and by the test where there is one."""
        apart = self.low > 0 or self.high < 0
        return apart and (self.p_value is None or self.p_value < SIGNIFICANCE)


def paired_means(one: Sequence[float], other: Sequence[float], seed: int) -> tuple[float, float, float]:
    """Mean of `one` less mean of `other`, case by case, with the ends of its percentile bootstrap interval."""
    import numpy as np

    table = np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    return _bootstrap(table[:, None], lambda sums: sums[:, 0] / len(table), seed)


def paired_f1(one: Sequence[Sequence[int]], other: Sequence[Sequence[int]], seed: int) -> tuple[float, float, float]:
    """Difference of the micro F1 of cases of (right, predicted, expected); see `paired_means`."""
    import numpy as np

    table = np.concatenate([np.asarray(one), np.asarray(other)], axis=1)
    return _bootstrap(table, lambda sums: micro_f1(sums[:, :3]) - micro_f1(sums[:, 3:]), seed)


def paired_macro_f1(
    one: Sequence[Sequence[str]], other: Sequence[Sequence[str]], seed: int
) -> tuple[float, float, float]:
    """Difference of the macro F1 of cases of (said, expected); see `paired_means`."""
    import numpy as np

    left, right = macro_scores(one), macro_scores(other)
    n = len(one)
    draw, even, ones = np.random.default_rng(seed), np.full(n, 1 / n), np.ones(n)
    drawn = [draw.multinomial(n, even) for _ in range(RESAMPLES)]
    low, high = np.quantile([left(weights) - right(weights) for weights in drawn], [0.025, 0.975])
    value = left(ones) - right(ones)
    return value, min(float(low), value), max(float(high), value)


def paired_perplexity(
    one: Sequence[Sequence[float]], other: Sequence[Sequence[float]], seed: int
) -> tuple[float, float, float]:
    """Difference of the perplexities of cases of (negative log-likelihood in nats, tokens); see `paired_means`."""
    import numpy as np

    table = np.concatenate([np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)], axis=1)

    def gap(sums: Any) -> Any:
        return np.exp(sums[:, 0] / np.maximum(sums[:, 1], 1)) - np.exp(sums[:, 2] / np.maximum(sums[:, 3], 1))

    return _bootstrap(table, gap, seed)


def mcnemar(one: Sequence[bool], other: Sequence[bool]) -> float:
    """Two-sided exact p-value that two sets of right and wrong answers to the same cases differ [mcnemar-1947]."""
    gained = sum(bool(a) and not b for a, b in zip(one, other, strict=True))
    lost = sum(bool(b) and not a for a, b in zip(one, other, strict=True))
    if gained + lost == 0:
        return 1.0
    # The binomial test at one half; scipy.stats has it by name and takes a second to import.
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))


def _bootstrap(table: Any, statistic: Any, seed: int) -> tuple[float, float, float]:
    import numpy as np

    n = len(table)
    draw, even = np.random.default_rng(seed), np.full(n, 1 / n)
    sums = np.stack([draw.multinomial(n, even) @ table for _ in range(RESAMPLES)])
    low, high = np.quantile(statistic(sums), [0.025, 0.975])
    value = float(statistic(table.sum(axis=0)[None])[0])
    return value, min(float(low), value), max(float(high), value)


def compare(
    metric: str, one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]], seed: int = 0
) -> tuple[tuple[float, float, float], int, float | None] | None:
    """The difference of a metric between two files of predictions, on the cases that both have.

    Args:
        metric: its name in the records' `scores`, or in their `counts` where it is pooled.
        one: records of the one step.
        other: records of the other.
        seed: of the bootstrap.

    Returns:
        Value and interval ends, the cases, and McNemar's p-value for metrics of right and wrong; None when the
        records do not tell the metric, or too few cases are the same.
    """
    theirs = {str(record["id"]): record for record in other}
    pairs = [(record, theirs[str(record["id"])]) for record in one if str(record["id"]) in theirs]
    ways: tuple[tuple[str, Any], ...] = (("scores", None), ("counts", _POOLED.get(metric)))
    for part, paired in ways:
        told = [
            (mine[part][metric], their[part][metric])
            for mine, their in pairs
            if metric in mine.get(part, {}) and metric in their.get(part, {})
        ]
        if len(told) < LEAST_CASES or (part == "counts" and paired is None):
            continue
        left, right = [mine for mine, _ in told], [their for _, their in told]
        if paired is not None:
            return paired(left, right, seed), len(told), None
        is_share = all(isinstance(score, bool) for score in (*left, *right))
        return paired_means(left, right, seed), len(told), mcnemar(left, right) if is_share else None
    return None


_POOLED = {"slot_f1": paired_f1, "macro_f1": paired_macro_f1, "perplexity": paired_perplexity}


def best(metric: str, measured: Mapping[str, Mapping[str, Measurement]], *, falling: bool) -> str | None:
    """The step with the best value of a metric, the first of equal ones; None when no step has it."""
    having = [address for address, metrics in measured.items() if metric in metrics]
    sign = -1 if falling else 1
    return max(having, key=lambda address: sign * measured[address][metric].value, default=None)
