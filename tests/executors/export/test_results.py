"""Results of runs as servers read them: whole, on one base, with a card; refused where a server could not load them."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from executors.export.document import Export
from executors.export.finished import finished
from executors.export.ollama import go_template, modelfile, read_template
from executors.export.results import RESULTS, export_result
from executors.models import load_tokenizer
from planner.documents import InputError
from planner.documents.schema import json_schema
from tests.executors.export.runs import finished_run, run_of
from tests.executors.tiny import make_tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")]


ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tenants")
    one = finished_run(folder / "one", "tenant-one", seed=1)
    two = finished_run(folder / "two", "tenant-two", seed=2, merged=False, base=folder / "one" / "base")
    return one, two


def test_a_merged_folder_is_a_model_with_its_card_and_prompt(tenants: tuple[Path, Path], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    export = export_result([run_of(tenants[0])], "merged", tmp_path / "out")
    AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    load_tokenizer(tmp_path / "out")
    assert {"README.md", "config.json", "model.safetensors", "prompt.json", "export.json"} <= set(export.files)
    assert "system text in prompt.json" in export.unsaid[0].message
    written = json.loads((tmp_path / "out" / "export.json").read_text())
    Draft202012Validator(json_schema("export", Export)).validate(written)


def test_an_adapter_that_was_not_merged_is_folded_in(tenants: tuple[Path, Path], tmp_path: Path) -> None:
    """Base and adapter together answer as the folder does."""
    import torch
    from transformers import AutoModelForCausalLM

    from executors.models import load_adapter, load_model

    export_result([run_of(tenants[1])], "merged", tmp_path / "out")
    run = finished(run_of(tenants[1]))
    assert run.adapter is not None
    apart = load_adapter(load_model(run.adapter.base, "fp32", device="cpu"), run.adapter.folder)
    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    ids = torch.arange(5, 25)[None]
    with torch.inference_mode():
        assert torch.allclose(apart(ids).logits, whole(ids).logits, atol=1e-4)


def test_a_plan_that_was_not_run_has_no_result(tmp_path: Path) -> None:
    plan = finished_run(tmp_path / "one")
    (tmp_path / "one" / ".adapt").rename(tmp_path / "away")
    for target in RESULTS:
        with pytest.raises(InputError, match="has not been run"):
            export_result([run_of(plan)], target, tmp_path / "out")


def test_several_runs_are_for_servers_of_adapters(tenants: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes one run"):
        export_result([run_of(plan) for plan in tenants], "merged", tmp_path / "out")


def test_the_card_says_data_results_licences_and_recipe(tenants: tuple[Path, Path], tmp_path: Path) -> None:
    export_result([run_of(tenants[0])], "card", tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["license"] == "apache-2.0"
    assert yaml.safe_load(front)["base_model"] == "tiny/base"
    for part in (
        "| train.jsonl | - | cc0-1.0 |",
        "| finetune | 0.800 (0.700 to 0.900) |",
        "| rank | 4 |",
        "> Answer briefly.",
    ):
        assert part in body, part


def test_a_modelfile_names_weights_template_and_system_text(tenants: tuple[Path, Path], tmp_path: Path) -> None:
    """The GGUF file opens, and what stands in the Modelfile is what the run was measured with."""
    from gguf import GGUFReader

    export_result([run_of(tenants[0])], "ollama", tmp_path / "out")
    text = (tmp_path / "out" / "Modelfile").read_text()
    assert text.startswith("FROM ./model-f16.gguf\nTEMPLATE ")
    assert 'SYSTEM """Answer briefly."""' in text
    assert 'MESSAGE user """ping"""\nMESSAGE assistant """pong"""' in text
    assert 'PARAMETER stop "<|im_end|>"' in text
    assert GGUFReader(tmp_path / "out" / "model-f16.gguf").tensors
    assert not (tmp_path / "out" / ".whole").exists()


SYSTEM_FIRST = "{% if messages[0].role != 'system' %}<s>system: You help.</s>{% endif %}"
TURNS = "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}"
ANSWER = "{% if add_generation_prompt %}<s>assistant: {% endif %}"


@pytest.mark.parametrize(
    ("template", "default"),
    [(TURNS + ANSWER, ""), (SYSTEM_FIRST + TURNS + ANSWER, "You help.")],
)
def test_a_template_of_marks_is_taken_apart(tmp_path: Path, template: str, default: str) -> None:
    tokenizer = load_tokenizer(make_tiny_model(tmp_path / "base"))
    tokenizer.chat_template = template
    found = read_template(tokenizer)
    assert found is not None
    assert found.default == default
    assert found.around["user"] == ("<s>user: ", "</s>")
    assert '{{- if eq .Role "user" }}{{ "<s>user: " }}{{ .Content }}{{ "</s>" }}{{- end }}' in go_template(found)
    assert go_template(found).endswith('{{ "<s>assistant: " }}')


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.content | upper }}{% endfor %}" + ANSWER,
        "{% for m in messages %}{{ loop.index }} {{ m.content }}{% endfor %}" + ANSWER,
        "{{ messages[-1].content }}{% if messages | length > 2 %} again{% endif %}" + ANSWER,
        "{{ raise_exception('only one turn') if messages | length > 1 }}" + TURNS + ANSWER,
    ],
)
def test_a_template_that_does_more_is_not_translated(tmp_path: Path, template: str) -> None:
    tokenizer = load_tokenizer(make_tiny_model(tmp_path / "base"))
    tokenizer.chat_template = template
    assert read_template(tokenizer) is None
    text, findings = modelfile("m.gguf", None, None, [], None)
    assert "TEMPLATE" not in text
    assert "not translated" in findings[0].message


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_no_room_for_the_result_leaves_nothing(tenants: tuple[Path, Path], tmp_path: Path) -> None:
    """A real process that may write no file above 20 kB."""
    script = "from adapt.cli import main; main()"
    words = [sys.executable, "-c", script, "export", tenants[0], "--to", "merged", "--out", tmp_path / "out"]
    made = subprocess.run(words, preexec_fn=small_files, capture_output=True, text=True, check=False, cwd=ROOT)
    assert made.returncode == 1
    assert "File too large" in made.stderr
    assert "Traceback" not in made.stderr
    assert list(tmp_path.iterdir()) == []
