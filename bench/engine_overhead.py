"""What the engine adds to a local step: `python bench/engine_overhead.py [RUNS]`.

Runs plans of five steps that do nothing, and compares one step with starting Python alone, and with starting Python and
importing what every executor is written against (pydantic and the documents).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from executors.registry import Registry  # noqa: E402 - the checkout comes first
from executors.runner import run_plan  # noqa: E402
from executors.usage import cpu_s  # noqa: E402
from tests.executors.plans import make_plan, save, write_step  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable


STEPS = 5
REGISTRY = Registry(targets={"nothing": "bench.nothing:Nothing"})


def main() -> None:
    """Measure in turn, so that a busy machine is busy for all alike, and print the lowest of each."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    os.environ["PYTHONPATH"] = str(ROOT)
    names = ("start of Python", "with the executors' contract", "a step of the engine")
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        works: tuple[Callable[[int], None], ...] = (
            lambda _: _python("pass"),
            lambda _: _python("import executors.contract, planner.documents"),
            lambda number: _run(Path(folder), number),
        )
        for number in range(count):
            for name, work in zip(names, works, strict=True):
                taken = _timed(work, number)
                parts = STEPS if name == names[2] else 1
                figures[name].append((taken[0] / parts, taken[1] / parts))
    lowest = {name: tuple(min(column) for column in zip(*taken, strict=True)) for name, taken in figures.items()}
    print(f"{'ms, lowest of ' + str(count):<40} {'wall':>8} {'CPU':>8}")
    for name in names:
        print(f"{name:<40}" + "".join(f" {seconds * 1e3:8.1f}" for seconds in lowest[name]))
    for name in names[:2]:
        added = (step - base for step, base in zip(lowest[names[2]], lowest[name], strict=True))
        print(f"{'added to ' + name:<40}" + "".join(f" {seconds * 1e3:8.1f}" for seconds in added))


def _run(folder: Path, number: int) -> None:
    """Run a plan of steps that no cache knows, from reading the plan to its report."""
    texts = [f"{number}/{step}" for step in range(STEPS)]
    steps = [write_step(f"s/{text}", executor="nothing", outputs=(), params={"text": text}) for text in texts]
    report = run_plan(save(make_plan(*steps), folder), registry=REGISTRY)
    if report.status != "done":
        sys.exit(report.because)


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def _timed(work: Callable[[int], None], number: int) -> tuple[float, float]:
    """Wall-clock and CPU seconds of this process and the one that it starts."""
    wall, cpu = time.perf_counter(), cpu_s()
    work(number)
    return time.perf_counter() - wall, cpu_s() - cpu


if __name__ == "__main__":
    main()
