"""Which tool a file is for, told by its keys; and its settings."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from planner.documents import InputError
from planner.review.configuration import Configuration
from planner.review.readers import axolotl, llama_factory, mergekit, own, peft, trl
from planner.review.readers.reading import Reading
from planner.survey.problems import problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from planner.documents import Finding
    from planner.documents.review import Tool
    from planner.review.source import Source

_READERS: dict[Tool, ModuleType] = {
    "peft": peft,
    "mergekit": mergekit,
    "axolotl": axolotl,
    "llama-factory": llama_factory,
    "trl": trl,
}
#: A key that only one tool has counts as much as three that several have.
OWN_WEIGHT, LEAST = 3, 4
SHOWN = 6
#: A misspelling is told only where it is nearly certain: short names resemble many others.
SHORTEST_NAME, SURE = 7, 0.93


def recognise(values: Mapping[str, Any]) -> tuple[Tool, tuple[str, ...]] | None:
    """The tool that a file is for, and the keys that tell; None when no tool is likely."""
    ours = own.recognise(values)
    if ours is not None:
        return ours
    best: tuple[int, Tool, tuple[str, ...]] | None = None
    for tool, reader in _READERS.items():
        keys = {key for key, value in values.items() if value is not None or tool == "axolotl"}
        for section in reader.SECTIONS:
            inner = values.get(section)
            keys |= set(inner) if isinstance(inner, dict) else set()
        told, shared = sorted(keys & reader.OWN), sorted(keys & reader.SHARED)
        score = OWN_WEIGHT * len(told) + len(shared)
        if score >= LEAST and _needed(tool, values) and (best is None or score > best[0]):
            best = (score, tool, tuple((told + shared)[:SHOWN]))
    return None if best is None else best[1:]


def _needed(tool: Tool, values: Mapping[str, Any]) -> bool:
    """What a file of the tool cannot be without."""
    if tool == "peft":
        return "peft_type" in values
    if tool == "mergekit":
        return "merge_method" in values or "slices" in values or "experts" in values
    if tool == "axolotl":
        return "base_model" in values or "micro_batch_size" in values or "sequence_len" in values
    return True


def _misspelt(source: Source, reader: ModuleType) -> list[Finding]:
    """Keys that differ by a letter or two from one that the tool has, and that is not there."""
    known = reader.OWN | reader.SHARED
    every = {key for each in _READERS.values() for key in each.OWN | each.SHARED}
    found = []
    for key in source.values:
        if key in every or len(key) < SHORTEST_NAME:
            continue
        meant = next(iter(get_close_matches(key, sorted(known - source.values.keys()), n=1, cutoff=SURE)), None)
        if meant is not None:
            message = f"`{key}` is perhaps meant to be `{meant}`, which the file does not have."
            fix = "Correct the name: tools pass over a key that they do not know, or stop."
            pointer = f"/{key}"
            found.append(
                problem(
                    "CONF032",
                    message,
                    fix,
                    file=source.file,
                    line=source.line(pointer),
                    pointer=pointer,
                    severity="note",
                )
            )
    return found


def read_configuration(source: Source) -> Configuration:
    """The settings of a file.

    Raises:
        InputError: no known tool has such a file, or it is one of ours and cannot be used.
    """
    found = recognise(source.values)
    if found is None:
        some = ", ".join(f"`{key}`" for key in list(source.values)[:5]) or "none"
        message = f"`{source.file}` is for no tool that is known here; its first keys are {some}."
        fix = (
            "Known: TRL and transformers training arguments, Axolotl, LLaMA-Factory, peft's adapter_config.json, "
            "mergekit, and our own specs and plans."
        )
        raise InputError([problem("CONF030", message, fix, file=source.file, line=1)])
    tool, keys = found
    if tool in ("adapt-spec", "adapt-plan"):
        return own.read(source, tool, keys)
    reader = _READERS[tool]
    reading = Reading(source, reader.SECTIONS)
    reader.read(reading)
    findings = (*reading.findings, *_misspelt(source, reader))
    return Configuration(
        file=source.file,
        tool=tool,
        recognised_by=keys,
        folder=source.folder,
        settings=reading.settings,
        findings=findings,
        values=source.values,
    )
