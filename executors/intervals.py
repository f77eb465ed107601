"""95% confidence intervals of measured scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from planner.documents import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The two-sided 95% quantile of the normal distribution.
Z = 1.959963984540054
RESAMPLES = 2000


def proportion(hits: int, n: int) -> Measurement:
    """A share with its Wilson score interval, which stays within 0..1 and holds for few cases and shares near the ends.

    Without cases the share is 0 and has no interval.
    """
    if n == 0:
        return Measurement(value=0.0, n=0)
    share, z2 = hits / n, Z * Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At the ends the formula gives the end itself, rounding aside.
    low = 0.0 if hits == 0 else centre - half
    high = 1.0 if hits == n else centre + half
    return Measurement(value=share, low=low, high=high, n=n, interval="wilson")


def mean(values: Sequence[float], seed: int) -> Measurement:
    """The mean of a number a case with its percentile bootstrap interval over cases [efron-1979-bootstrap]."""
    import numpy as np

    n = len(values)
    if n == 0:
        return Measurement(value=0.0, n=0)
    scores = np.asarray(values, dtype=np.float64)
    draw, even = np.random.default_rng(seed), np.full(n, 1 / n)
    means = np.array([draw.multinomial(n, even) @ scores / n for _ in range(RESAMPLES)])
    low, high = np.quantile(means, [0.025, 0.975])
    value = float(scores.mean())
    return Measurement(value=value, low=min(float(low), value), high=max(float(high), value), n=n, interval="bootstrap")


def mean_score(values: Sequence[float], seed: int) -> Measurement:
    """The mean of scores of 0 to 1; see `mean`.

    Where all cases are wholly wrong or wholly right, no resample shows another: then it is the interval of a share.
    """
    ends = {float(value) for value in values}
    return proportion(int(sum(values)), len(values)) if ends in ({0.0}, {1.0}) else mean(values, seed)


def median(values: Sequence[float]) -> Measurement:
    """The median with the interval between two of the sorted values, whose ranks follow from the binomial law.

    It holds for any distribution, the long tails of waiting times too; of few values it is the whole range.
    """
    n = len(values)
    if n == 0:
        return Measurement(value=0.0, n=0)
    ordered = sorted(values)
    half = Z * math.sqrt(n) / 2
    first, last = max(0, math.floor(n / 2 - half)), min(n - 1, math.ceil(n / 2 + half) - 1)
    value = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return Measurement(value=value, low=ordered[first], high=ordered[last], n=n, interval="order statistics")


def f1(counts: Sequence[tuple[int, int, int]], seed: int) -> Measurement:
    """Micro F1 over cases of (right, predicted, expected) with its percentile bootstrap interval over cases.

    Nothing expected and nothing predicted is a perfect score. At either end: see `mean_score`.
    """
    import numpy as np

    table = np.array(counts, dtype=np.int64).reshape(-1, 3)
    n = len(table)
    if n == 0:
        return Measurement(value=0.0, n=0)
    draw, even = np.random.default_rng(seed), np.full(n, 1 / n)
    sums = np.stack([draw.multinomial(n, even) @ table for _ in range(RESAMPLES)])
    low, high = np.quantile(micro_f1(sums), [0.025, 0.975])
    value = float(micro_f1(table.sum(axis=0)[None])[0])
    if value in (0.0, 1.0):
        return proportion(int(value) * n, n)
    # A resample cannot show what is rarer than the sample: the interval must at least hold the value itself.
    return Measurement(value=value, low=min(float(low), value), high=max(float(high), value), n=n, interval="bootstrap")


def macro_f1(pairs: Sequence[tuple[str, str]], seed: int) -> Measurement:
    """Mean F1 of the expected labels over pairs of (said, expected), with its bootstrap interval over cases."""
    import numpy as np

    n = len(pairs)
    if n == 0:
        return Measurement(value=0.0, n=0)
    score = macro_scores(pairs)
    draw, even = np.random.default_rng(seed), np.full(n, 1 / n)
    low, high = np.quantile([score(draw.multinomial(n, even)) for _ in range(RESAMPLES)], [0.025, 0.975])
    value = score(np.ones(n))
    return Measurement(value=value, low=min(float(low), value), high=max(float(high), value), n=n, interval="bootstrap")


def macro_scores(pairs: Sequence[Sequence[str]]) -> Callable[[Any], float]:
    """Macro F1 over pairs of (said, expected) as a function of the weights of the cases."""
    import numpy as np

    labels = sorted({expected for _, expected in pairs})
    place = {label: at for at, label in enumerate(labels)}
    said = np.array([place.get(label, len(labels)) for label, _ in pairs])
    wanted = np.array([place[label] for _, label in pairs])
    cells = said * len(labels) + wanted
    size = (len(labels) + 1, len(labels))

    def score(weights: Any) -> float:
        table = np.bincount(cells, weights=weights, minlength=size[0] * size[1]).reshape(size)
        right = np.diagonal(table)
        both = table.sum(axis=1)[: len(labels)] + table.sum(axis=0)
        # As scikit-learn does with labels that are expected: one that a resample lacks counts as zero.
        return float(np.where(both > 0, 2 * right / np.maximum(both, 1), 0.0).mean())

    return score


def perplexity(sums: Sequence[tuple[float, int]], seed: int) -> Measurement:
    """Perplexity: exp of the mean negative log-likelihood a token in nats, cases of (sum, tokens), bootstrapped."""
    import numpy as np

    table = np.array([pair for pair in sums if pair[1]], dtype=np.float64).reshape(-1, 2)
    n = len(table)
    if n == 0:
        return Measurement(value=0.0, n=0)
    draw, even = np.random.default_rng(seed), np.full(n, 1 / n)
    drawn = np.stack([draw.multinomial(n, even) @ table for _ in range(RESAMPLES)])
    low, high = np.exp(np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975]))
    value = float(np.exp(table[:, 0].sum() / table[:, 1].sum()))
    return Measurement(value=value, low=min(float(low), value), high=max(float(high), value), n=n, interval="bootstrap")


def difference(one: Measurement, other: Measurement) -> Measurement:
    """One measurement minus another, its interval from theirs [newcombe-1998], as if the cases were not the same.

    On the same cases the true interval is narrower: what is beyond chance here is so all the more.
    """
    value = one.value - other.value
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return Measurement(value=value, n=one.n)
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Measurement(value=value, low=low, high=high, n=one.n, interval="newcombe")


def micro_f1(sums: Any) -> Any:
    """F1 of summed (right, predicted, expected), a row each; nothing expected and nothing said is perfect."""
    import numpy as np

    right, predicted, expected = sums.T
    both = predicted + expected
    return np.where(both == 0, 1.0, 2 * right / np.maximum(both, 1))
