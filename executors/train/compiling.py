"""torch.compile where it pays: tried before the first step, and used where it spares more time than it took.

Compiled are the layers that a model repeats, by one graph for rows of every length: that takes a minute where a whole
model takes many [torch-docs]. What a trial finds is kept beside the checkpoints, so that a resumed training computes as
the one that was killed.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from executors.bottleneck import decoder_layers
from executors.files import write_atomic
from planner.documents import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from executors.train.training import Training
    from planner.documents import JsonValue

VERDICT = "compile.json"
BACKEND = "inductor"
# A pass over these is timed, so often each way; before them the longest batch is computed once.
PROBES, REPEATS = 3, 3
# Passes of the training for each of a trial: no more than a tenth is added.
LEAST_TIMES = 10
# Share of the time that compiled layers spare at best: 0.13 was measured on a processor; elsewhere it is assumed.
HOPED = {"cpu": 0.15}
HOPED_ELSEWHERE = 0.4
# Seconds that compiling takes: 20 to 67 were measured on two cores, with and without what inductor keeps on the disk.
USUAL_S, LONGEST_S = 60.0, 600.0
# Norms of gradients may differ by so much, over those of plain layers: 0.007 is what bf16 was measured to.
ROUNDING = {"fp32": 1e-3, "bf16": 0.05, "fp16": 0.05}
# Kinds of batches that one layer may be compiled for: one row or several, with a shared beginning or without.
KINDS = 64


@dataclass(frozen=True)
class Verdict:
    """Whether layers are compiled, and what that was judged by."""

    compiled: bool
    because: str
    passes: int
    """Forward and backward passes of the whole training."""
    eager_s: float | None = None
    """Seconds of a pass by the layers as they are."""
    compiled_s: float | None = None
    compile_s: float | None = None
    """Seconds that compiling took."""


class Passes:
    """Forward and backward passes whose gradients are thrown away."""

    def __init__(self, model: Any, learn: Callable[[Any], torch.Tensor], batches: Sequence[Any], device: str) -> None:
        """Take a model, what gives the loss of a batch, batches of which the first is the longest, and a device."""
        self.model, self.learn, self.device = model, learn, device
        self.longest, *self.timed = batches

    def go(self, batch: Any) -> tuple[float, torch.Tensor]:
        """Seconds, and the norms of the gradients of all that trains; what is drawn is the same each time."""
        torch.manual_seed(0)
        started = self._now()
        self.learn(batch).backward()
        spent = self._now() - started
        norms = [weight.grad.float().norm() for weight in self.model.parameters() if weight.grad is not None]
        self.model.zero_grad()
        return spent, torch.stack(norms).cpu()

    def _now(self) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


class Layers:
    """The layers that a model repeats, computed as they are or compiled."""

    def __init__(self, model: Any) -> None:
        """Take a model, of which nothing is touched yet."""
        self._model = model
        self._layers: list[Any] = []
        self._compiled: list[Any] = []

    def compile(self, passes: Passes, most_s: float) -> float:
        """Compile them by the batches of a trial, in the same order each time; returns the seconds that it took.

        Raises:
            InputError: the model repeats no layers.
            TimeoutError: so many seconds were over before the last graph was begun.
            Exception: whatever a compiler fails by.
        """
        from torch._dynamo import lookup_backend

        self._layers = decoder_layers(self._model)
        ends = time.perf_counter() + most_s
        within = True

        # A compiler that is broken off leaves torch in disorder: time is looked at between one graph and the next.
        def backend(graph: Any, given: Any) -> Any:
            if within and time.perf_counter() > ends:
                raise TimeoutError
            return lookup_backend(BACKEND)(graph, given)

        for layer in self._layers:
            layer.compile(backend=backend, dynamic=True)
        self._compiled = [layer._compiled_call_impl for layer in self._layers]
        spent = sum(passes.go(batch)[0] for batch in (passes.longest, *passes.timed))
        within = False
        return spent

    def use(self, *, compiled: bool) -> None:
        """Compute compiled from here on, or not; weights and names stay as they are."""
        for layer, call in zip(self._layers, self._compiled, strict=False):
            layer._compiled_call_impl = call if compiled else None

    @contextmanager
    def as_they_are(self) -> Iterator[None]:
        """Without what was compiled, such as to evaluate: other graphs would have to be made."""
        used = [layer._compiled_call_impl for layer in self._layers]
        self.use(compiled=False)
        try:
            yield
        finally:
            for layer, call in zip(self._layers, used, strict=True):
                layer._compiled_call_impl = call


def read(folder: Path) -> Verdict | None:
    """What a trial found that was made in a folder of checkpoints; None where there was none."""
    file = folder / VERDICT
    return Verdict(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def notes(folder: Path) -> dict[str, JsonValue]:
    """The same as a result tells it, without what was not measured."""
    told = {} if (found := read(folder)) is None else asdict(found)
    return {
        name: round(at, 4) if isinstance(at, float) else at for name, at in told.items() if at is not None
    }  # fmt: skip


class Trial(TrainerCallback):  # type: ignore[misc]
    """The callback that compiles, or does not, when all is ready for the first step."""

    def __init__(self, layers: Layers, passes: Callable[[], Passes], plan: Training) -> None:
        """Take the layers, what makes the passes when the time has come, and the training."""
        self.layers, self.passes, self.plan = layers, passes, plan

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Try, or do as was found before."""
        count = math.ceil(self.plan.params.epochs * len(self.plan.batches))
        decide(self.layers, self.passes(), count, self.plan.folder, self.plan.params.precision)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Leave the model as it was made."""
        self.layers.use(compiled=False)


@contextmanager
def settings() -> Iterator[None]:
    """Compiled layers draw what plain ones draw, are made for every kind of batch, and are plain where that fails."""
    from torch._dynamo import config as graphs
    from torch._inductor import config as kernels

    with (
        kernels.patch(fallback_random=True),
        graphs.patch(recompile_limit=KINDS, suppress_errors=True),
        warnings.catch_warnings(),
    ):
        # What the compiler warns of on its way is its own affair.
        warnings.filterwarnings("ignore", module=r"torch\.")
        yield


def decide(layers: Layers, passes: Passes, count: int, folder: Path, precision: str) -> None:
    """Compile the layers where a trial says so, or said so before; state, random ones too, is left as it was.

    Args:
        layers: of the model that is trained.
        passes: on batches of the training.
        count: how many passes the whole training has.
        folder: of the checkpoints.
        precision: what products are computed in.

    Raises:
        RunError: the training went on compiled before it was cut short, and compiling fails now.
    """
    known = read(folder)
    with _untouched(passes):
        if known is None:
            known = _trial(layers, passes, count, precision)
            write_atomic(folder / VERDICT, json.dumps(asdict(known), indent=2))
        elif known.compiled and (problem := _compile(layers, passes, LONGEST_S)[1]):
            message = f"The training was compiled before it was cut short. {problem}"
            fix = "Make that compiler work again, or remove the checkpoints to begin anew."
            raise RunError.one("TRAIN025", message, fix, file=str(folder / VERDICT))
    layers.use(compiled=known.compiled)


def _trial(layers: Layers, passes: Passes, count: int, precision: str) -> Verdict:
    """Time both ways in turn, so that other work on the machine disturbs both alike."""
    measuring = 1 + PROBES * (1 + 2 * REPEATS)
    if count < LEAST_TIMES * measuring:
        return Verdict(False, f"The {count} passes are too few for a trial of {measuring}.", count)  # noqa: FBT003
    passes.go(passes.longest)
    first = [passes.go(batch)[0] for batch in passes.timed]
    whole = count * sum(first) / PROBES
    hoped = HOPED.get(passes.device, HOPED_ELSEWHERE) * whole
    if hoped < USUAL_S:
        because = f"The {count} passes take about {whole:.0f} s as they are, which is too short to compile for."
        return Verdict(False, because, count, sum(first) / PROBES)  # noqa: FBT003
    compile_s, problem = _compile(layers, passes, min(hoped, LONGEST_S))
    if problem:
        return Verdict(False, problem, count, sum(first) / PROBES)  # noqa: FBT003
    plain: list[float] = []
    fast: list[float] = []
    apart = 0.0
    for batch in passes.timed:
        rounds = []
        for _ in range(REPEATS):
            layers.use(compiled=False)
            spent, norms = passes.go(batch)
            layers.use(compiled=True)
            rounds.append((spent, passes.go(batch)))
        plain.append(min(spent for spent, _ in rounds))
        fast.append(min(spent for _, (spent, _) in rounds))
        apart = max(apart, float((rounds[-1][1][1] - norms).norm() / norms.norm()))
    return _judged(count, sum(plain) / PROBES, sum(fast) / PROBES, compile_s, apart, ROUNDING[precision])


def _judged(count: int, eager_s: float, compiled_s: float, compile_s: float, apart: float, most: float) -> Verdict:
    """Compiled layers must compute the same, and spare more than it took to make them."""
    spared = count * (eager_s - compiled_s)
    because = (
        f"A pass takes {compiled_s:.3f} s compiled and {eager_s:.3f} s as it is: {count} passes spare {spared:.0f} s, "
        f"and compiling took {compile_s:.0f} s."
    )
    if not apart <= most:
        because = f"Compiled layers have other gradients: their norms are {apart:.1%} apart."
    return Verdict(apart <= most and spared > compile_s, because, count, eager_s, compiled_s, compile_s)


def _compile(layers: Layers, passes: Passes, most_s: float) -> tuple[float, str]:
    """Seconds that it took, and why it did not work, in one sentence, or nothing."""
    from torch._dynamo import config

    try:
        with config.patch(suppress_errors=False):
            return layers.compile(passes, most_s), ""
    except Exception as error:  # noqa: BLE001 - whatever a compiler fails by, layers can do without it
        # torch puts what a compiler says behind what it calls it.
        cause = getattr(error, "inner_exception", error)
    said = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
    problem = f"Layers cannot be compiled here: {said.rstrip('.')}."
    if isinstance(cause, TimeoutError):
        problem = f"Compiling takes more than {most_s:.0f} s, the most that it could have spared."
    layers.use(compiled=False)
    passes.model.zero_grad()
    torch.compiler.reset()
    return math.inf, problem


@contextmanager
def _untouched(passes: Passes) -> Iterator[None]:
    """Leave buffers, the numbers beside them and random states as they are; passes throw their gradients away."""
    owners = [module for module in passes.model.modules() if module._buffers]
    buffers = {name: buffer.clone() for name, buffer in passes.model.named_buffers()}
    numbers = [{name: at for name, at in vars(module).items() if isinstance(at, (int, float))} for module in owners]
    with torch.random.fork_rng([torch.cuda.current_device()] if passes.device == "cuda" else []):
        try:
            yield
        finally:
            passes.model.zero_grad()
            for module, known in zip(owners, numbers, strict=True):
                vars(module).update(known)
            with torch.no_grad():
                for name, buffer in passes.model.named_buffers():
                    buffer.copy_(buffers[name])
