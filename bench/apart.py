"""An environment beside `.venv` that sees all of it, for libraries that nothing else here needs."""

from __future__ import annotations

import os
import site
import subprocess
import venv
from typing import TYPE_CHECKING

from bench.small_model import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def environment_with(
    name: str, packages: Sequence[str], *, options: Sequence[str] = (), variables: Mapping[str, str] | None = None
) -> Path:
    """The interpreter of `.venv/NAME`, made where it is not there with these packages.

    Args:
        name: of the folder.
        packages: pinned.
        options: more words for pip.
        variables: what pip's environment has besides.

    Raises:
        CalledProcessError: pip could not install them.
    """
    folder = ROOT / ".venv" / name
    python, done = folder / "bin/python", folder / ".has"
    if not done.exists() or done.read_text(encoding="utf-8").split() != list(packages):
        print(f"Making an environment with {', '.join(packages)} in {folder} ...")
        venv.create(folder, with_pip=True, clear=True)
        (found,) = folder.glob("lib/python*/site-packages")
        (found / "beside.pth").write_text("\n".join([str(ROOT), *site.getsitepackages(), ""]), encoding="utf-8")
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *options]
        subprocess.run([*pip, *packages], env=os.environ | dict(variables or {}), check=True)
        done.write_text("\n".join(packages), encoding="utf-8")
    return python
