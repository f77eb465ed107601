"""The words that all renderings of a review share: counts, places, memory, sources."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from adapt.render.units import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planner.documents import Finding, Findings, ReviewedFile

TOOLS = {
    "trl": "TRL / transformers",
    "axolotl": "Axolotl",
    "llama-factory": "LLaMA-Factory",
    "peft": "PEFT adapter",
    "mergekit": "mergekit",
    "adapt-spec": "spec of adapt",
    "adapt-plan": "plan of adapt",
}
NOT_READ = "not read"
MOST_NAMES = 3


def counted(number: int, word: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def counts(items: Iterable[Finding]) -> str:
    """`1 error, 2 warnings`, or `nothing found`."""
    found = Counter(item.severity for item in items)
    said = [counted(found[severity], severity) for severity in ("error", "warning", "note") if found[severity]]
    return ", ".join(said) or "nothing found"


def summary(result: Findings) -> str:
    """`3 files: 1 error, 2 warnings; set aside: 4 by baseline, 1 by comment`."""
    files = len({item.file for item in result.files} | {item.where.file for item in unread(result)})
    text = f"{counted(files, 'file')}: {counts(result.findings)}"
    by = Counter("comment" if item.by == "inline" else "baseline" for item in result.suppressed)
    aside = [f"{number} by {word}" for word, number in sorted(by.items())]
    return text + (f"; set aside: {', '.join(aside)}" if aside else "")


def unread(result: Findings) -> tuple[Finding, ...]:
    """The errors of files that could not be read or recognised, so that nothing else is known of them."""
    read = {item.file for item in result.files}
    return tuple(
        item for item in result.findings if item.severity == "error" and item.where.file and item.where.file not in read
    )


def by_file(result: Findings) -> list[tuple[str, ReviewedFile | None, list[Finding]]]:
    """Every file with its findings, by name; files that were not read, and what belongs to no file, included."""
    known = {item.file: item for item in result.files}
    found: dict[str, list[Finding]] = {file: [] for file in known}
    for finding in result.findings:
        found.setdefault(finding.where.file or "", []).append(finding)
    return [(file, known.get(file), found[file]) for file in sorted(found)]


def place(finding: Finding) -> str:
    """`line 12, lora_r`: the place inside its file, as far as it is known."""
    where = finding.where
    name = (where.pointer or "").lstrip("/").replace("/", ".").replace("~1", "/").replace("~0", "~")
    line = f"line {where.line}" if where.line is not None else ""
    return ", ".join(part for part in (line, name) if part)


def memory(file: ReviewedFile) -> str:
    """`memory 14.2 GB (12.9 GB to 16.0 GB) of one device, compared with A10G`, or nothing."""
    if file.memory is None:
        return ""
    low, expected, high = (size(value) for value in (file.memory.low, file.memory.expected, file.memory.high))
    text = f"memory {expected}" if low == high else f"memory {expected} ({low} to {high})"
    return f"{text} a device, on {file.device}" if file.device else f"{text} a device"


def sources(keys: Iterable[str], own: Mapping[str, str]) -> list[tuple[str, str]]:
    """The name and the address of every source; a key that nobody knows stands for itself.

    Args:
        keys: of the catalog, or of the user's rule books.
        own: sources of the user's rule books, each with its address at the end.
    """
    from planner.catalog import CatalogError, reference

    found = []
    for key in keys:
        try:
            source = reference(key)
        except CatalogError:
            name, _, address = own.get(key, key).rpartition(" ")
            found.append((name, address) if name else (address, ""))
            continue
        names = (source.authors or source.venue or "").split(", ")
        who = ", ".join(names) if len(names) <= MOST_NAMES else f"{names[0]} et al."
        title = f"{source.title}, {source.section}" if source.section else source.title
        name = f"{who}, {title}" if who else title
        address = source.address if source.address.startswith("http") else ""
        found.append((f"{name} ({source.year})" if source.year else name, address))
    return found
