"""A plan's trainings written for another tool: a folder each, with configuration, rows, and what was not said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from executors.export import axolotl, llama_factory, openai_upload, trl, unsloth
from executors.export.document import Export, Part
from executors.export.folder import MANIFEST, whole_folder
from executors.export.trainings import trainings
from planner.documents import InputError, pretty_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from executors.export.rendered import Rendered
    from executors.export.trainings import Training
    from executors.sources import Sources
    from planner.documents import Finding

RECIPES: dict[str, Callable[[Training], Rendered]] = {
    "axolotl": axolotl.render,
    "llama-factory": llama_factory.render,
    "openai": openai_upload.render,
    "trl": trl.render,
    "unsloth": unsloth.render,
}
NOTES = "NOTES.md"


def export_recipe(
    sources: Sources, target: str, out: Path, *, base: str | None = None, replaces: bool = False
) -> Export:
    """Write a plan's trainings for a tool.

    Args:
        sources: the plan and its files.
        target: one of `RECIPES`.
        out: the folder to make; of several trainings each has a folder in it.
        base: what the tool shall load instead of the plan's base.
        replaces: whether an earlier export may be replaced.

    Raises:
        InputError: the plan trains nothing, the tool cannot do it, rows cannot be read, or the folder is there.
        RunError: the disk is full.
    """
    found = [_from(base, one) for one in trainings(sources)]
    rendered = [render(target, one) for one in found]
    folders = ["."] if len(found) == 1 else [one.name for one in found]
    parts = tuple(
        Part(folder=folder, what=one.step.title, command=each.command)
        for folder, one, each in zip(folders, found, rendered, strict=True)
    )
    files = [
        f"{folder}/{name}".removeprefix("./")
        for folder, each in zip(folders, rendered, strict=True)
        for name in (*each.files, NOTES)
    ]
    export = Export(
        target=target,
        plan=sources.plan.name,
        digest=sources.plan.digest,
        parts=parts,
        files=tuple(sorted([*files, MANIFEST])),
        unsaid=tuple(finding for each in rendered for finding in each.findings),
    )
    with whole_folder(out, replace=replaces) as draft:
        for folder, one, each in zip(folders, found, rendered, strict=True):
            _write(draft / folder, dict(each.files) | {NOTES: notes(one.step.title, each.command, each.findings)})
        _write(draft, {MANIFEST: pretty_json(export.to_json())})
    return export


def render(target: str, training: Training) -> Rendered:
    """One training in the words of a tool.

    Raises:
        InputError: the tool cannot do it, with the tools that can.
    """
    try:
        return RECIPES[target](training)
    except InputError as refused:
        if any(finding.code != "EXPORT002" for finding in refused.findings):
            raise
        others = [name for name in RECIPES if name != target and _possible(name, training)]
        fix = f"Export it to {' or '.join(others)}." if others else "No other tool here does: run it with adapt."
        told = [each.model_copy(update={"fix": f"{each.fix} {fix}".lstrip()}) for each in refused.findings]
        raise InputError(told) from refused


def _possible(target: str, training: Training) -> bool:
    try:
        RECIPES[target](training)
    except InputError:
        return False
    return True


def notes(title: str, command: str, findings: Sequence[Finding]) -> str:
    """How to start it, and what it does not say."""
    lines = [f"# {title}", "", "Start it in this folder:", "", "```", command, "```", "", "## Not as planned", ""]
    lines += [f"- {finding.message}" + (f" {finding.fix}" if finding.fix else "") for finding in findings]
    if not findings:
        lines.append("Nothing: every value of the plan is said.")
    return "\n".join(lines) + "\n"


def _from(base: str | None, training: Training) -> Training:
    """The training from another base; one that builds on an earlier training starts from what that leaves."""
    if base is None or training.base.name.startswith("../"):
        return training
    kept = [finding for finding in training.findings if "/inputs/model" not in str(finding.where.pointer)]
    return replace(training, base=replace(training.base, name=base, revision=None), findings=kept)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
