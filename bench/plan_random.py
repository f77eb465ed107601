"""What planning a thousand random specs costs: `python bench/plan_random.py [COUNT]`.

One process, warm: the first spec, which loads the catalog and the rules, is planned before the clock starts. The specs
are those of `tests/planner/random_specs.py` with a fixed seed, so two machines plan the same ones.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from planner.planning import plan  # noqa: E402 - the checkout comes first
from tests.planner.random_specs import seeded_specs  # noqa: E402

SEED = 20251
BUDGET_S = 10.0


def main() -> None:
    """Plan them all and print the time of the whole, of the median and of the slowest."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    first, *specs = seeded_specs(SEED, count + 1)
    plan(first)
    times, approaches = [], Counter[str]()
    started_cpu = time.process_time()
    for spec in specs:
        started = time.perf_counter()
        document = plan(spec)
        times.append(time.perf_counter() - started)
        approach = document.decision("approach")
        approaches[str(approach and approach.answer)] += 1
        approaches["not applyable"] += not document.status.applyable
    cpu = time.process_time() - started_cpu
    times.sort()
    wall = f"{sum(times):.2f} s, of the processor {cpu:.2f} s"
    print(f"{count} random specs, seed {SEED}, one process: {wall} (budget {BUDGET_S:g} s a thousand)")
    middle, late = statistics.median(times), times[int(0.99 * (count - 1))]
    print(f"median {middle * 1e3:.1f} ms, 99th percentile {late * 1e3:.1f} ms, slowest {times[-1] * 1e3:.1f} ms")
    print(", ".join(f"{name} {number}" for name, number in sorted(approaches.items())))


if __name__ == "__main__":
    main()
