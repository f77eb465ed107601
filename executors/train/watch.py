"""Watches a run: losses that must stay finite, when to evaluate, save and stop, and the progress that is told."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from executors.train.ranks import Ranks
from executors.usage import peak_memory_bytes
from planner.documents import Event, RunError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALONE = Ranks()
RECORD = "record.json"
REPORT_S = 1.0


class NotFiniteError(RunError):
    """The loss is infinite or not a number: from here on the weights would be worthless."""


@dataclass
class Record:
    """What has happened so far; saved with each checkpoint, so that a resumed run knows it all."""

    losses: list[float] = field(default_factory=list)
    """The training loss of every optimizer step."""
    evaluations: list[tuple[int, float]] = field(default_factory=list)
    """Optimizer step and validation loss."""
    tokens: int = 0

    @classmethod
    def read(cls, checkpoint: Path) -> Record:
        """The record in a checkpoint."""
        found = json.loads((checkpoint / RECORD).read_text(encoding="utf-8"))
        return cls(found["losses"], [(step, loss) for step, loss in found["evaluations"]], found["tokens"])

    def write(self, checkpoint: Path) -> None:
        """Save it in a checkpoint."""
        (checkpoint / RECORD).write_text(json.dumps(vars(self)), encoding="utf-8")

    @property
    def best(self) -> int | None:
        """The optimizer step with the lowest validation loss; the earliest of equals."""
        return min(self.evaluations, key=lambda item: item[1])[0] if self.evaluations else None

    def out_of_patience(self, patience: int | None) -> bool:
        """Whether so many evaluations brought no lower validation loss."""
        if patience is None or not self.evaluations:
            return False
        best = [step for step, _ in self.evaluations].index(self.best or 0)
        return len(self.evaluations) - 1 - best >= patience

    def finished(self, schedule: Schedule) -> bool:
        """Whether nothing is left to train."""
        return len(self.losses) >= schedule.total or self.out_of_patience(schedule.patience)


@dataclass(frozen=True)
class Schedule:
    """What happens at which optimizer step."""

    total: int
    evaluate_at: frozenset[int]
    patience: int | None
    """Evaluations without a lower validation loss after which training ends."""
    checkpoint_s: float
    """Longest time between two checkpoints, in seconds."""
    remedy: str = ""
    """What to do when the loss is no longer finite."""


class Watch(TrainerCallback):  # type: ignore[misc]
    """The callback that steers a run."""

    def __init__(
        self, record: Record, schedule: Schedule, report: Callable[[Event], None], ranks: Ranks = ALONE
    ) -> None:
        self.record = record
        self.schedule = schedule
        self.report = report
        self.ranks = ranks
        self.resumed_from = len(record.losses)
        self.resumed_tokens = record.tokens
        self._pending: list[torch.Tensor] = []
        self._step_loss: torch.Tensor | None = None
        self._tokens = 0
        self._started = self._saved = self._told = time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return self.record.finished(self.schedule)

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens per second of this attempt, evaluations included; None when it trained nothing."""
        tokens = self.record.tokens - self.resumed_tokens
        return tokens / (time.monotonic() - self._started) if tokens else None

    def add(self, loss: torch.Tensor, tokens: int) -> None:
        """Take the loss of one forward pass here, as its part of the step's loss, without waiting for the device."""
        self._step_loss = loss if self._step_loss is None else self._step_loss + loss
        self._tokens += tokens

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start the clocks."""
        self._started = self._saved = self._told = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Decide what follows an optimizer step."""
        if self._step_loss is not None:
            self._pending.append(self._step_loss)
            self._step_loss = None
        now, step = time.monotonic(), state.global_step
        last = step >= self.schedule.total
        control.should_evaluate = step in self.schedule.evaluate_at
        due, told = now - self._saved >= self.schedule.checkpoint_s, now - self._told >= REPORT_S
        # The clocks of processes differ, and what they do next must not.
        due, told = self.ranks.agreed((due, told))
        control.should_save = control.should_evaluate or last or due
        control.should_log = bool(args.report_to) and (told or last)
        if control.should_save or told or step == self.resumed_from + 1:
            self._drain()
            self._tell(now, step)

    def on_evaluate(self, _args: Any, state: Any, control: Any, *, metrics: dict[str, float], **_: Any) -> None:
        """Note the validation loss and stop when it no longer falls."""
        loss = metrics["eval_loss"]
        self._finite(loss, state.global_step, "validation")
        self.record.evaluations.append((state.global_step, loss))
        if self.record.out_of_patience(self.schedule.patience):
            control.should_training_stop = True

    def on_save(self, *_: Any, **__: Any) -> None:
        """Start the time to the next checkpoint."""
        self._saved = time.monotonic()

    def _drain(self) -> None:
        if not self._pending:
            return
        losses = torch.stack(self._pending).cpu().double()
        *summed, tokens = self.ranks.sum(torch.cat([losses, losses.new_tensor([self._tokens])])).tolist()
        self.record.tokens += round(tokens)
        self._tokens = 0
        self._pending.clear()
        for loss in summed:
            self._finite(loss, len(self.record.losses) + 1, "training")
            self.record.losses.append(loss)

    def _finite(self, loss: float, step: int, kind: str) -> None:
        if not math.isfinite(loss):
            message = f"The {kind} loss is {loss} at step {step} of {self.schedule.total}."
            raise NotFiniteError.one("TRAIN020", message, self.schedule.remedy)

    def _tell(self, now: float, step: int) -> None:
        self._told = now
        recent = self.record.losses[-10:]
        spent = now - self._started
        self.report(
            Event(
                kind="progress",
                time=time.time(),
                done=step,
                total=self.schedule.total,
                unit="steps",
                remaining_s=spent / (step - self.resumed_from) * (self.schedule.total - step),
                loss=fmean(recent),
                tokens_per_s=self.tokens_per_s,
                peak_memory_bytes=peak_memory_bytes(),
            )
        )
