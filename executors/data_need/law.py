"""Errors fall as a power of the rows [hestness-2017-scaling]; its fit, its forecast, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from executors.intervals import macro_scores, micro_f1
from planner.documents import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RESAMPLES = 2000
# A gain below this share of the scale is not worth collecting rows for.
WORTH = 0.01
POINTS = 100


class Forecast(NamedTuple):
    """What so many more rows are expected to bring."""

    gain: Measurement
    """Of the score, 0 to 1, from the rows at hand to those ahead."""
    exponent: float
    """Of the power law: the error at n rows is about `scale * n ** -exponent`."""
    scale: float


def scored(metric: str, told: Sequence[Any]) -> Callable[[Any], float]:
    """A metric, 0 to 1, as a function of the weights of the cases.

    Args:
        metric: its name.
        told: of each case its score, or for a metric that is pooled over all, what it adds to that.
    """
    import numpy as np

    if metric == "macro_f1":
        return macro_scores(told)
    table = np.asarray(told, dtype=np.float64)
    if metric == "slot_f1":
        return lambda weights: float(micro_f1((weights @ table)[None])[0])
    return lambda weights: float(weights @ table / weights.sum())


def forecast(points: Mapping[int, Sequence[Callable[[Any], float]]], cases: int, ahead: int, seed: int) -> Forecast:
    """Fit a power law to the errors and read the gain off it, with its interval by bootstrap [efron-1979-bootstrap].

    Cases are drawn anew for all sizes together, since the same ones were answered at each, and at each size the
    trainings too where there were several.

    Args:
        points: number of rows to the trainings on so many; each the score by the weights of the cases, see `scored`.
        cases: how many each was measured on.
        ahead: rows that the forecast is for.
        seed: of the draws.
    """
    import numpy as np

    sizes = sorted(points)
    draw = np.random.default_rng(seed)
    gains = []
    for _ in range(RESAMPLES):
        weights = np.bincount(draw.integers(cases, size=cases), minlength=cases)
        drawn = [
            [points[size][at] for at in draw.integers(len(points[size]), size=len(points[size]))] for size in sizes
        ]
        gains.append(_gain(sizes, [_mean(trainings, weights) for trainings in drawn], cases, ahead)[0])
    means = [_mean(points[size], np.ones(cases)) for size in sizes]
    value, exponent, scale = _gain(sizes, means, cases, ahead)
    low, high = (float(each) for each in np.quantile(gains, [0.025, 0.975]))
    found = Measurement(value=value, low=min(low, value), high=max(high, value), n=cases, interval="bootstrap")
    return Forecast(found, exponent, scale)


def _mean(trainings: Sequence[Callable[[Any], float]], weights: Any) -> float:
    return sum(score(weights) for score in trainings) / len(trainings)


def _gain(sizes: Sequence[int], scores: Sequence[float], cases: int, ahead: int) -> tuple[float, float, float]:
    """The gain, exponent and scale of one fit in logarithms, in which a size counts by how sure its error is."""
    import numpy as np

    # Half a case is added to either side, so that no error is nothing.
    errors = np.array([((1 - score) * cases + 0.5) / (cases + 1) for score in scores])
    sure = np.sqrt(cases * errors / (1 - errors))
    exponent, scale = np.polyfit(np.log(sizes), np.log(errors), 1, w=sure)
    now, then = (min(1.0, float(np.exp(scale + exponent * np.log(size)))) for size in (sizes[-1], ahead))
    return now - then, -float(exponent), float(np.exp(scale))


def sentence(found: Forecast, rows: int, ahead: int, metric: str) -> str:
    """What the forecast says, for people."""
    value, low, high = (float(each or 0.0) for each in (found.gain.value, found.gain.low, found.gain.high))
    if low > 0 and value >= WORTH:
        word = "More data will help"
    elif value >= WORTH:
        word = "More data may help, which these rows do not show beyond chance"
    else:
        word = "More data will hardly help"
    points, least, most = (f"{round(POINTS * each):+d}" for each in (value, low, high))
    return f"{word}: from {rows:,} to {ahead:,} rows about {points} points of {metric} ({least} to {most})."
