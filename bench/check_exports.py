"""Reads every export with the parser of the tool that it is for, in an environment of their own.

    python -m bench.check_exports

The environment is made once in `.venv/exports` and sees all that `.venv` has. The tools are installed without what they
depend on, which is enough for their parsers: some of it excludes what `.venv` has. unsloth is read, not imported, since
that takes a GPU.
"""

from __future__ import annotations

import os
import subprocess
import sys

from bench.apart import environment_with
from bench.small_model import ROOT

PACKAGES = [
    "axolotl==0.19.0",
    "addict==2.4.0",
    "llamafactory==0.9.5",
    "omegaconf==2.4.0",
    "antlr4-python3-runtime==4.9.3",
    "unsloth==2026.10.9",
]
TESTS = "tests/executors/export/test_parsers.py"


def main() -> int:
    """Make the environment where it is not there, and run the tests; their exit status."""
    python = environment_with("exports", PACKAGES, options=["--no-deps"])
    words = ["-k", "axolotl or llama_factory or unsloth", *sys.argv[1:]]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    tests = [python, "-m", "pytest", "-rs", TESTS, *words]
    return subprocess.run(tests, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
