"""What planning costs: `python bench/plan_cold.py`.

Cold: `adapt plan SPEC --json` in fresh processes, wall and CPU time and peak memory, beside `import torch`.
Warm: `planner.planning.plan` again and again in one process, on a spec that names no files.
Over a budget, the imports that took longest are listed.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SPEC = ROOT / "plans" / "voice-commands" / "spec.json"
COLD_BUDGET_S, MEMORY_BUDGET_BYTES, WARM_BUDGET_S = 0.5, 80e6, 0.010
DECLARED = {
    "task": {"description": "Sort support tickets", "kind": "classification"},
    "data": {"train": {"examples": 5000, "mean_tokens": 200}, "test": {"examples": 500}},
    "models": [{"id": "meta-llama/Llama-3.1-8B-Instruct"}],
    "hardware": {"devices": [{"name": "A100", "memory_gb": 80}]},
    "evaluation": {"metrics": ["accuracy"], "target": {"accuracy": 0.9}},
}


class Cost(NamedTuple):
    """What one fresh process took."""

    wall_s: float
    cpu_s: float
    peak_bytes: float


def fresh(arguments: list[str]) -> Cost:
    """Run Python with these arguments in a new process, its output thrown away."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{' '.join(arguments)} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def median(costs: list[Cost]) -> Cost:
    """The median of each number."""
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


def warm_s(runs: int) -> float:
    """Median CPU time of a plan in a process that has planned before."""
    from planner.planning import plan

    plan(DECLARED)
    times = []
    for _ in range(runs):
        start = time.process_time()
        plan(DECLARED)
        times.append(time.process_time() - start)
    return statistics.median(times)


def slowest_imports(command: str, count: int = 15) -> list[tuple[str, float]]:
    """Milliseconds by package, each module's own time; two levels for the project's packages."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    spent: Counter[str] = Counter()
    for line in result.stderr.splitlines():
        if match := re.match(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)", line):
            parts = match[2].split(".")
            depth = 2 if parts[0] in ("adapt", "planner", "executors") else 1
            spent[".".join(parts[:depth])] += int(match[1])
    return [(name, microseconds / 1000) for name, microseconds in spent.most_common(count)]


def main() -> None:
    """Print every figure beside its budget."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=7)
    options.add_argument("--no-torch", action="store_true", help="leave the comparison out")
    runs, no_torch = vars(options.parse_args()).values()
    command = f"from adapt.cli import main; main(['plan', {str(SPEC)!r}, '--json'])"
    cold = median([fresh(["-c", command]) for _ in range(runs)])
    bare = median([fresh(["-c", "pass"]) for _ in range(runs)])
    print(f"{'':34}{'wall':>9}{'CPU':>9}{'peak':>9}")
    rows = [("python -c pass", bare), ("adapt plan spec.json --json, cold", cold)]
    if not no_torch:
        torch = median([fresh(["-c", "import torch"]) for _ in range(min(runs, 3))])
        rows.append(("python -c 'import torch'", torch))
    for name, cost in rows:
        print(f"{name:34}{cost.wall_s:7.3f} s{cost.cpu_s:7.3f} s{cost.peak_bytes / 1e6:6.0f} MB")
    if not no_torch:
        wall, cpu = cold.wall_s / torch.wall_s, cold.cpu_s / torch.cpu_s
        print(f"plan / import torch: {wall:.2f} of the wall, {cpu:.2f} of the CPU")
    warm = warm_s(20 * runs)
    print(f"planner.planning.plan, warm, declared data: {warm * 1e3:.1f} ms CPU")
    print(f"budgets: {COLD_BUDGET_S} s and {MEMORY_BUDGET_BYTES / 1e6:.0f} MB cold, {WARM_BUDGET_S * 1e3:.0f} ms warm")
    if cold.cpu_s > COLD_BUDGET_S or cold.peak_bytes > MEMORY_BUDGET_BYTES:
        for name, milliseconds in slowest_imports(command):
            print(f"  {milliseconds:7.1f} ms  {name}")


if __name__ == "__main__":
    main()
