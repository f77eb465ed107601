"""Runs the tests that need DeepSpeed, in an environment of its own: it wants compilers, and nothing else needs it.

    python -m bench.check_deepspeed

The environment is made once in `.venv/deepspeed` and sees all that `.venv` has. The first run compiles an extension,
which takes a minute.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv

from bench.small_model import ROOT

VERSION = "0.19.8"
FOLDER = ROOT / ".venv/deepspeed"
TESTS = "tests/executors/train/test_deepspeed.py"


def main() -> int:
    """Make the environment where it is not there, and run the tests; their exit status."""
    python, done = FOLDER / "bin/python", FOLDER / f".has-{VERSION}"
    if not done.exists():
        print(f"Making an environment with DeepSpeed {VERSION} in {FOLDER} ...")
        venv.create(FOLDER, with_pip=True, clear=True)
        (packages,) = FOLDER.glob("lib/python*/site-packages")
        seen = "\n".join([str(ROOT), *site.getsitepackages()])
        (packages / "beside.pth").write_text(f"{seen}\n", encoding="utf-8")
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-build-isolation"]
        # Its operations are compiled when they are first used.
        subprocess.run([*pip, f"deepspeed=={VERSION}"], env=os.environ | {"DS_BUILD_OPS": "0"}, check=True)
        done.touch()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_EXTENSIONS_DIR": str(FOLDER / "extensions")}
    # Ninja, which compiles, lies beside the interpreter.
    environment["PATH"] = os.pathsep.join([str(python.parent), environment["PATH"]])
    tests = [python, "-m", "pytest", "-rs", TESTS, *sys.argv[1:]]
    return subprocess.run(tests, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
