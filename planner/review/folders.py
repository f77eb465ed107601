"""Which files of a folder are reviewed, and which are passed over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from planner.documents import Findings

SUFFIXES = frozenset({".yaml", ".yml", ".json", ".toml"})
#: Folders that hold no configuration of the user's.
SKIPPED = frozenset({"node_modules", "__pycache__"})
#: What says that a file is no configuration: too large, not text, empty, a list of rows, of no known tool.
NO_CONFIGURATION = frozenset({"CONF011", "CONF014", "CONF020", "CONF023", "CONF030"})


def files_in(paths: Iterable[Path]) -> tuple[tuple[Path, ...], frozenset[str]]:
    """The files to review, each once: those named, and those of the folders named, below them and in order.

    Hidden files and folders are left out. Also returns the names of the files that only a folder led to.
    """
    named: dict[Path, bool] = {}
    for path in paths:
        if not path.is_dir():
            named[path] = True
            continue
        for file in _below(path):
            named.setdefault(file, False)
    return tuple(named), frozenset(str(file) for file, is_named in named.items() if not is_named)


def _below(folder: Path) -> Iterator[Path]:
    """The files of a folder that may be configurations, in the order of their paths."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        for name in sorted(names):
            file = Path(root, name)
            if file.suffix.lower() in SUFFIXES and not name.startswith(".") and file.is_file():
                yield file


def without_unknown(findings: Findings, files: Collection[str] | None) -> tuple[Findings, tuple[str, ...]]:
    """The findings without those that say that a file is no configuration, and the files that these were about.

    Args:
        findings: the result of a review.
        files: the files that may be something else; null: all.
    """
    unknown = [
        item
        for item in findings.findings
        if item.code in NO_CONFIGURATION and (files is None or (item.where.file or "") in files)
    ]
    kept = tuple(item for item in findings.findings if item not in unknown)
    skipped = tuple(sorted({item.where.file or "" for item in unknown}))
    return findings.model_copy(update={"findings": kept}), skipped
