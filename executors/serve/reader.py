"""What stands between a model and its answer, token by token: its form, its likelihoods, its text as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import LogitsProcessor, StoppingCriteria

from executors.evaluate.constraint import mask_logits
from executors.serve.asked import Done, Likely

if TYPE_CHECKING:
    from collections.abc import Callable

    from executors.evaluate.constraint import Constraint
    from executors.serve.asked import Ready


class Seen(LogitsProcessor):  # type: ignore[misc]
    """Keeps how likely the model itself finds each next token, before a form or a temperature changes that."""

    def __init__(self, tokenizer: Any, top: int) -> None:
        self.tokenizer, self.top = tokenizer, top
        self.next: Any = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:  # noqa: ARG002
        """The scores of the next token, of shape [1, vocabulary], as they came."""
        self.next = scores[0].float().log_softmax(-1)
        return scores

    def of(self, token: int) -> Likely:
        """The token that was taken, with its likelihood and those that were likeliest."""
        best = self.next.topk(self.top).indices.tolist() if self.top else []
        others = tuple((self.tokenizer.decode([at]), float(self.next[at])) for at in best)
        return Likely(self.tokenizer.decode([token]), float(self.next[token]), others)


class Held(LogitsProcessor):  # type: ignore[misc]
    """Keeps an answer inside its form."""

    def __init__(self, constraint: Constraint, asked: int) -> None:
        self.matcher, self.width, self.asked = constraint.start(), constraint.width, asked

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The scores of the next token, of shape [1, vocabulary], without what would leave the form."""
        if input_ids.shape[1] > self.asked and not self.matcher.is_terminated():
            self.matcher.accept_token(int(input_ids[0, -1]))
        return mask_logits(scores, [self.matcher], self.width)


class Reader(StoppingCriteria):  # type: ignore[misc]
    """Reads tokens as they are made, says what cannot change any more, and stops where the answer ends."""

    def __init__(
        self, tokenizer: Any, ready: Ready, ends: set[int], say: Callable[[str], None], stopped: Callable[[], bool]
    ) -> None:
        self.tokenizer, self.ready, self.ends, self.say, self.stopped = tokenizer, ready, ends, say, stopped
        asked = ready.ask.logprobs
        self.seen = None if asked is None else Seen(tokenizer, asked)
        self.likely: list[Likely] = []
        self.made: list[int] = []
        self.said = 0
        self.text = ""
        self.reason = "length"

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:  # noqa: ARG002
        """Whether to stop, of shape [1]."""
        token = int(input_ids[0, -1])
        if token in self.ends:
            self.reason, over = "stop", True
        else:
            self.made.append(token)
            if self.seen is not None:
                self.likely.append(self.seen.of(token))
            over = self._read()
        if not over and self.stopped():
            self.reason, over = "stopped", True
        return torch.tensor([over], device=input_ids.device)

    def _read(self) -> bool:
        """Take the new text in; whether a stop text ends it."""
        text = self.tokenizer.decode(self.made, skip_special_tokens=True)
        # Spaces around an answer are no part of it, as evaluation reads it; text that is continued keeps them.
        text = text.lstrip() if self.ready.ask.turns is not None else text
        found = [at for stop in self.ready.stop if (at := text.find(stop)) >= 0]
        if found:
            self.reason, self.text = "stop", text[: min(found)]
            return True
        self.text = text
        # What may yet become a stop text, another letter, or a space at the end, is not said.
        self._say(len(text) - max(_unsure(text, stop) for stop in (*self.ready.stop, "\ufffd", "\n", " ")))
        return False

    def _say(self, until: int) -> None:
        sure = self.text[:until].rstrip("\ufffd")
        sure = sure.rstrip() if self.ready.ask.turns is not None else sure
        if len(sure) > self.said:
            self.say(sure[self.said :])
            self.said = len(sure)

    def end(self) -> Done:
        """Say the rest."""
        last = self.text.rstrip() if self.ready.ask.turns is not None else self.text
        if len(last) > self.said:
            self.say(last[self.said :])
        count = len(self.made)
        return Done(len(self.ready.ids), count, self.reason, tuple(self.likely))


def _unsure(text: str, stop: str) -> int:
    """How many characters at the end of a text may be the beginning of a stop text."""
    return next((size for size in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:size])), 0)
