from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from executors.registry import Registry, executor_registry, load_executor, load_place, place_registry
from planner.documents import InputError
from tests.executors.fakes import Write

if TYPE_CHECKING:
    from pathlib import Path

LIST = """
from executors.registry import executor_registry
for entry in executor_registry().entries():
    print(entry.name, entry.source, entry.state, entry.message)
"""


def test_the_built_in_executors_load_and_have_their_names() -> None:
    registry = executor_registry()
    for name in ("baselines", "diagnose", "evaluate", "merge", "prepare", "probes", "prompt", "train"):
        assert load_executor(registry, name).name == name
    assert [entry.name for entry in place_registry().entries()] == ["local"]
    assert load_place("local").__name__ == "LocalPlace"  # type: ignore[attr-defined]


def test_a_name_that_is_not_here_is_refused_with_a_near_one() -> None:
    registry = Registry(targets={"write": f"{Write.__module__}:Write"})
    with pytest.raises(InputError, match=r"There is no executor `wriet` here\. Did you mean `write`"):
        registry.load("wriet")


@pytest.mark.parametrize(
    "target",
    [
        "tests.executors.fakes:Broken",
        "no_such_module:X",
        "tests.executors.fakes:Missing",
        "tests.executors.fakes",
        "not a target",
    ],
)
def test_what_does_not_load_is_a_row_with_one_sentence(target: str) -> None:
    (entry,) = Registry(targets={"x": target}, sources={"x": "some-package"}).entries()
    assert entry.state == "broken"
    assert entry.message.startswith(f"The executor `x` ({target}) does not load: ")
    assert "Update or remove the package some-package" in entry.message
    assert "\n" not in entry.message


def test_packages_add_executors_by_entry_points_and_cannot_replace_built_in_ones(tmp_path: Path) -> None:
    info = tmp_path / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    points = "[adapt.executors]\nfine = plugin:Fine\nbroken = plugin:Broken\ntrain = plugin:Fine\n"
    (info / "entry_points.txt").write_text(points)
    (tmp_path / "plugin.py").write_text("class Fine: pass\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    listed = subprocess.run([sys.executable, "-c", LIST], env=environment, check=True, capture_output=True, text=True)
    rows = listed.stdout.splitlines()
    assert "fine plugin ok " in rows
    assert any(row.startswith("broken plugin broken The executor `broken`") for row in rows)
    assert any(row.startswith("train built in ") for row in rows)


def test_the_worker_and_the_registry_import_nothing_heavy() -> None:
    code = (
        "import sys, executors.worker, executors.runner, executors.status\n"
        "from executors.registry import executor_registry; executor_registry().entries()\n"
        "print(sorted({'torch', 'transformers', 'networkx', 'click', 'rich'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "[]\n"
