"""The files that exports are held to; `python -m tests.executors.export.goldens` writes them anew."""

from __future__ import annotations

import tempfile
from pathlib import Path

from executors.export.recipes import RECIPES
from executors.export.trainings import trainings
from planner.documents import InputError
from tests.executors.export.cases import training_sources

FOLDER = Path(__file__).parent / "golden"
CASES = ("continued-pretraining", "dpo", "full", "kto", "longer", "lora-plus", "partial", "qlora", "zero-3")
CONFIGURATIONS = {
    "axolotl": ("axolotl.yml",),
    "llama-factory": ("llama_factory.yaml", "dataset_info.json"),
    "openai": ("request.json",),
    "trl": ("trl.yaml",),
    "unsloth": ("train.py",),
}


def rendered(target: str, case: str) -> dict[str, str]:
    """The configuration of a case for a target, by the name of its golden file; empty where the target refuses it."""
    with tempfile.TemporaryDirectory() as folder:
        [training] = trainings(training_sources(Path(folder), case))
    try:
        files = RECIPES[target](training).files
    except InputError:
        return {}
    return {f"{target}.{case}.{name}.txt": files[name] for name in CONFIGURATIONS[target]}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for tool in RECIPES:
        for each in CASES:
            for name, content in rendered(tool, each).items():
                (FOLDER / name).write_text(content, encoding="utf-8")
