"""The table of a run's forms, as cells: for a terminal and for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapt.render.units import score, seconds, size

if TYPE_CHECKING:
    from executors.forms import Form

# The score's own column comes fourth.
FORM_COLUMNS = ("Form", "KL, nats a token", "Same token", "Loss in points", "Size", "Answer", "Tokens/s")


def form_cells(form: Form) -> tuple[str, ...]:
    """One form: what it keeps, its score, what it takes."""
    loss = form.loss
    lost = "-" if loss is None else f"{100 * loss.value:+.1f}"
    if loss is not None and loss.low is not None and loss.high is not None:
        lost += f" ({100 * loss.low:+.1f} to {100 * loss.high:+.1f})"
    far = form.kl_divergence
    return (
        form.form + "*" * form.dequantized,
        "-" if far is None else f"{far.value:.2g}",
        "-" if form.top1_agreement is None else score(form.top1_agreement),
        "-" if form.score is None else score(form.score),
        lost,
        "-" if form.bytes is None else size(form.bytes),
        "-" if form.latency_s is None else seconds(form.latency_s.value),
        "-" if form.tokens_per_s is None else f"{form.tokens_per_s:.0f}",
    )
