"""A learning curve read on to more rows, and how sure that is.

The odds of a right answer grow about as a power of the rows: where errors are few this is the power law of errors,
and where they are many, the region of little data before it [hestness-2017-scaling]. The power itself changes along a
curve: it flattens out, or begins to rise later than the points tell [viering-2021-learning-curves; yan-2025-lcdb].
Three points hardly show that, so the interval allows for as much of it as curves of many shapes have.
"""

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
# The power before anything is measured, and by how much it is another one: of seven curves about one gets worse
# somewhere [yan-2025-lcdb]. The odds may be any.
POWER, POWER_SPREAD, ODDS_SPREAD = 0.5, 0.5, 10.0
# By how much the power changes while the rows grow by a factor of e. Tests hold what comes of it against curves of
# eleven shapes.
DRIFT = 0.45
# By how much two trainings on other rows, or with another seed, differ in the logarithm of the odds, and how many
# trainings this guess counts for beside those that were measured.
TRAININGS_APART, GUESSED = 0.15, 4


class Forecast(NamedTuple):
    """What so many more rows are expected to bring."""

    gain: Measurement
    """Of the score, 0 to 1, from the rows at hand to those ahead."""
    exponent: float
    """Of the power law at the rows at hand: the odds of an error fall about as `n ** -exponent`."""


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
    """Read the gain off the curve, with its interval: cases by bootstrap [efron-1979-bootstrap], the rest by the model.

    Cases are drawn anew for all sizes together, since the same ones were answered at each.

    Args:
        points: number of rows to the trainings on so many; each the score by the weights of the cases, see `scored`.
        cases: how many each was measured on.
        ahead: rows that the forecast is for.
        seed: of the draws.
    """
    import numpy as np

    sizes = sorted(points)
    draw = np.random.default_rng(seed)

    def odds(weights: Any) -> list[Any]:
        return [np.array([_log_odds(score(weights), cases) for score in points[size]]) for size in sizes]

    found = odds(np.ones(cases))
    weights, shift, spread = _reading(sizes, ahead, [_apart(found) / len(each) for each in found])
    means = [
        np.array([each.mean() for each in odds(np.bincount(draw.integers(cases, size=cases), minlength=cases))])
        for _ in range(RESAMPLES)
    ]
    read = np.array(means) @ weights.T + shift + draw.multivariate_normal(np.zeros(2), spread, RESAMPLES)
    now, then = np.array([each.mean() for each in found]) @ weights.T + shift
    gains = _score(read[:, 1]) - _score(read[:, 0])
    value = float(_score(then) - _score(now))
    low, high = (float(each) for each in np.quantile(gains, [0.025, 0.975]))
    gain = Measurement(value=value, low=min(low, value), high=max(high, value), n=cases, interval="bootstrap")
    return Forecast(gain, float((then - now) / np.log(ahead / sizes[-1])))


def _reading(sizes: Sequence[int], ahead: int, noise: Sequence[float]) -> tuple[Any, Any, Any]:
    """How the logarithms of the odds at the last size and ahead follow from those that were measured.

    They are a line in the logarithm of the rows whose slope wanders, as a smoothing spline has it [wahba-1978].

    Args:
        sizes: numbers of rows, rising.
        ahead: rows that the forecast is for.
        noise: variance of each measured value, the cases apart.

    Returns:
        Weights of the measured values (2, sizes), what is added to them, and the covariance of the two that is left.
    """
    import numpy as np

    away = np.log(np.array([*sizes, ahead]) / sizes[0])
    near, far = np.minimum.outer(away, away), np.maximum.outer(away, away)
    prior = ODDS_SPREAD**2 + POWER_SPREAD**2 * near * far + DRIFT**2 * near**2 * (3 * far - near) / 6
    seen, asked = len(sizes), slice(len(sizes) - 1, None)
    weights = np.linalg.solve(prior[:seen, :seen] + np.diag(noise), prior[:seen, asked]).T
    shift = POWER * (away[asked] - weights @ away[:seen])
    return weights, shift, prior[asked, asked] - weights @ prior[:seen, asked]


def _apart(found: Sequence[Any]) -> float:
    """Variance of one training's logarithm of the odds, from sizes with several, beside what is usual."""
    squares = sum(float(((each - each.mean()) ** 2).sum()) for each in found)
    return (squares + GUESSED * TRAININGS_APART**2) / (sum(len(each) - 1 for each in found) + GUESSED)


def _log_odds(score: float, cases: int) -> float:
    import numpy as np

    # Half a case is added to either side, so that no error is nothing.
    error = ((1 - score) * cases + 0.5) / (cases + 1)
    return float(np.log((1 - error) / error))


def _score(log_odds: Any) -> Any:
    import numpy as np

    return 1 / (1 + np.exp(-log_odds))


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
