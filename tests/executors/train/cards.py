"""What a model card says, done as it says."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def loaded_by_card(folder: Path, base: Path) -> Any:
    """The model that the lines of code in an adapter's card load, in evaluation mode."""
    [code] = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"folder": str(folder), "base_folder": str(base)}
    with warnings.catch_warnings():
        # peft asks transformers by a name that is on its way out.
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)
        exec(code, names)  # noqa: S102 - the card was written by the code under test
    return names["model"].eval()
