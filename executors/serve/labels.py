"""The classifier that answers: the label with the highest score is the answer, and its likelihood can be asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.contract import Job
from executors.evaluate.labelling import Labelling
from executors.serve.asked import BadFormError, Done, Likely, Ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from executors.serve.asked import Ask
    from executors.serve.variants import Served, Variant


class Labels:
    """Heads over labels in memory, each by its name. Not for several threads at once."""

    def __init__(self, served: Served) -> None:
        """Load every head.

        Raises:
            InputError: a folder holds no classifier.
        """
        self.variants = {variant.name: variant for variant in served.variants}
        self.scorers = {variant.name: _scorer(served.folder, variant) for variant in served.variants}

    def read(self, ask: Ask) -> Ready:
        """A request as tokens: its texts one after another, as rows are read; what exceeds the window is cut.

        Raises:
            BadFormError: it asks for more than a label.
        """
        if ask.schema is not None or ask.temperature:
            message = "This model answers with its likeliest label, in no other form and without drawing."
            raise BadFormError(message)
        texts = [ask.text] if ask.turns is None else [turn["content"] for turn in ask.turns]
        read, _, _ = self.scorers[ask.model]
        return Ready(ask, self.variants[ask.model], read("\n".join(texts)), 1, ())

    def answer(self, ready: Ready, say: Callable[[str], None], stopped: Callable[[], bool]) -> Done:
        """Say the label; of the others as many as are asked for are told with their likelihood."""
        if stopped():
            return Done(len(ready.ids), 0, "stop")
        _, score, labels = self.scorers[ready.ask.model]
        likely = score([ready.ids])[0].float().log_softmax(-1)
        order = likely.argsort(descending=True).tolist()
        say(labels[order[0]])
        asked = ready.ask.logprobs
        if asked is None:
            return Done(len(ready.ids), 1, "stop")
        told = [(labels[at], float(likely[at])) for at in order]
        return Done(len(ready.ids), 1, "stop", (Likely(*told[0], tuple(told[:asked])),))


def _scorer(base: Path, variant: Variant) -> Any:
    """How a variant reads a text, scores it, and the labels in the order of the scores."""
    inputs = {"model": base, **({"adapter": variant.adapter} if variant.adapter else {})}
    nowhere = Path(tempfile.gettempdir())
    return Labelling(Job("serve", variant.params, inputs, nowhere, nowhere, lambda _: None, nowhere)).scorer()
