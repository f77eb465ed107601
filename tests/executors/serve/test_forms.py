"""The forms of a result that a run made beside its best: each can be served by its name, or it is said why not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import util
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from executors.serve import forms
from executors.serve.forms import LAST, best_of, form_of, forms_of, rungs_of
from executors.sources import Sources
from planner.documents import Input, InputError
from tests.executors.export.runs import EVALUATE
from tests.executors.plans import make_plan, write_step

if TYPE_CHECKING:
    from pathlib import Path

# Step that made a model, how its weights say that they were quantized, whether it is a rung, whether it was measured.
MADE = [
    ("merge/one", "", True, True),
    ("quantize/w4a16", "compressed-tensors", True, True),
    ("compare/nf4", "bitsandbytes", False, True),
    ("compare/theirs", "gptq", False, True),
    ("compare/odd", "hqq", False, True),
    ("quantize/late", "torchao", True, False),
]


@dataclass(frozen=True)
class Left(Sources):
    """The folders that a run left, by the step that made them."""

    folders: dict[str, Any] = field(default_factory=dict)

    def find(self, source: Input) -> Any:
        return self.folders.get(source.step or "base")

    def output(self, address: str, name: str) -> Any:
        return self.folders.get(address)


@pytest.fixture
def run(tmp_path: Path) -> Left:
    folders, steps, done = {}, [], ["evaluate/sft"]
    for name, method in (("base", ""), *(made[:2] for made in MADE)):
        folders[name] = tmp_path / name.replace("/", "-")
        folders[name].mkdir()
        config = {"quantization_config": {"quant_method": method}} if method else {}
        (folders[name] / "config.json").write_text(json.dumps(config))
    evaluate: dict[str, Any] = {"executor": "evaluate", "params": EVALUATE}
    steps.append(write_step("evaluate/sft", inputs={"model": Input(pin="model/base")}, rung="finetune", **evaluate))
    for made, _, rung, measured in MADE:
        name = made.partition("/")[2]
        steps.append(write_step(made, executor="merge" if made.startswith("merge") else "quantize", inputs={}))
        inputs = {"model": Input(step=made, output="model"), "reference": Input(step="evaluate/sft", output="text")}
        steps.append(write_step(f"evaluate/{name}", inputs=inputs, rung=name if rung else None, **evaluate))
        done += [f"evaluate/{name}"] * measured
    report: Any = SimpleNamespace(steps=[SimpleNamespace(address=each, finished=True) for each in done], reached=None)
    return Left(make_plan(*steps, name="lamps"), tmp_path, None, report, folders=folders)  # type: ignore[arg-type]


def test_what_can_be_read_here_is_listed_and_of_the_rest_why_not(run: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    # As where gptqmodel, which has an environment of its own, is not beside this.
    monkeypatch.setattr(forms, "find_spec", lambda name: None if name == "gptqmodel" else util.find_spec(name))
    found = forms_of(run)
    assert [form.name for form in found if not form.obstacle] == ["one", "w4a16", "nf4"]
    assert {form.name: form.obstacle for form in found if form.obstacle} == {
        "theirs": "its weights are gptq, and reading them needs gptqmodel, which is not installed",
        "odd": "its weights are hqq, and reading them needs a library that is not known here",
        "late": "it was made, and its measurement did not end",
    }


def test_a_form_is_served_by_its_name(run: Left) -> None:
    rungs = rungs_of(run)
    assert best_of(rungs, run).name == "sft"
    assert form_of(rungs, run, "nf4").folder == run.folders["compare/nf4"]
    assert form_of(rungs, run, LAST).name == "w4a16", "what is only compared is not the last"
    with pytest.raises(InputError, match=r"made no form `int9`.*It made: one, w4a16, nf4"):
        form_of(rungs, run, "int9")
    with pytest.raises(InputError, match="late of lamps cannot be served here: it was made, and its measurement"):
        form_of(rungs, run, "late")
