"""Runs the tests that need DeepSpeed, in an environment of its own: it wants compilers, and nothing else needs it.

    python -m bench.check_deepspeed

The environment is made once in `.venv/deepspeed` and sees all that `.venv` has. The first run compiles an extension,
which takes a minute.
"""

from __future__ import annotations

import os
import subprocess
import sys

from bench.apart import environment_with
from bench.small_model import ROOT

TESTS = "tests/executors/train/test_deepspeed.py"


def main() -> int:
    """Make the environment where it is not there, and run the tests; their exit status."""
    # Its operations are compiled when they are first used.
    python = environment_with(
        "deepspeed", ["deepspeed==0.19.8"], options=["--no-build-isolation"], variables={"DS_BUILD_OPS": "0"}
    )
    extensions = str(python.parents[1] / "extensions")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_EXTENSIONS_DIR": extensions}
    # Ninja, which compiles, lies beside the interpreter.
    environment["PATH"] = os.pathsep.join([str(python.parent), environment["PATH"]])
    tests = [python, "-m", "pytest", "-rs", TESTS, *sys.argv[1:]]
    return subprocess.run(tests, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
