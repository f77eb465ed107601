"""Runs a plan of fake steps in a process of its own, to be killed by tests: `python -m ... PLAN`."""

from __future__ import annotations

import sys
from pathlib import Path

from executors.runner import run_plan
from planner.documents import AdaptError
from tests.executors.fakes import REGISTRY


def main() -> int:
    """Run, print the outcome, and return the exit code."""
    try:
        report = run_plan(Path(sys.argv[1]), registry=REGISTRY)
    except AdaptError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    print(report.because)  # noqa: T201 - what the tests read
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
