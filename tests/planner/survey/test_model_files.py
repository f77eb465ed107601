"""A model is found in a folder, a file, a package, the cache or the catalog, and read without loading weights."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import ModelReference, fingerprint
from planner.survey import ModelSurvey, survey_model, tokenizer_of
from planner.survey.model_files import look_at_model
from tests.planner.survey.conftest import problems_of, write_safetensors

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = {"model_type": "llama", "hidden_size": 8, "max_position_embeddings": 256, "torch_dtype": "float32"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def make_model(folder: Path, **config: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    tensors = {"a": ("BF16", [8, 4]), "b": ("BF16", [8]), "c": ("F32", [2])}
    write_safetensors(folder / "model.safetensors", tensors)
    return folder


def model(folder: Path, **fields: Any) -> ModelSurvey:
    return survey_model(ModelReference(**{"id": "mine", **fields}), folder)


def refused(folder: Path, **fields: Any) -> str:
    return "\n".join(problems_of(lambda: model(folder, **fields)))


def test_a_folder_is_read_by_its_config_and_headers(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    (folder / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    (folder / "README.md").write_text("---\nlicense: mit\ntags: [x]\n---\n# Hi")
    found = model(tmp_path, path="m")
    assert (found.kind, found.pin, found.path) == ("folder", "m", folder)
    assert (found.params, found.params_source, found.dtype) == (42, "safetensors headers", "bf16")
    assert (found.context_tokens, found.licence, found.has_chat_template) == (256, "mit", True)
    assert (found.fingerprint, found.bytes) == fingerprint(folder)
    assert found.at_hand


def test_an_id_may_be_a_folder_or_a_file(tmp_path: Path, llama_gguf: Path) -> None:
    make_model(tmp_path / "models" / "m")
    assert model(tmp_path, id="models/m").kind == "folder"
    found = model(tmp_path, id=llama_gguf.name)
    assert (found.kind, found.pin, found.context_tokens, found.licence) == ("gguf", "tiny.gguf", 512, "apache-2.0")
    assert (found.has_chat_template, found.quantization, found.dtype) == (True, None, "fp32")


def test_a_folder_that_happens_to_have_the_ids_name_is_not_the_model(tmp_path: Path) -> None:
    (tmp_path / "gpt2").mkdir()
    assert model(tmp_path, id="gpt2").kind == "catalog"


def test_shards_are_summed_and_must_all_be_there(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    write_safetensors(folder / "model-00002-of-00002.safetensors", {"d": ("BF16", [100])})
    names = {"a": "model-00001-of-00002.safetensors", "d": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert model(tmp_path, path="m").params == 142
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "lacks 1 of its 2 files of weights: model-00002" in refused(tmp_path, path="m")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../../x"}}')
    assert "lacks 1 of its 1" in refused(tmp_path, path="m")


def test_a_truncated_or_foreign_weight_file_is_refused(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    write_safetensors(folder / "model.safetensors", {"a": ("F32", [100])}, cut=7)
    assert "it is truncated" in refused(tmp_path, path="m")
    for content in (b"", b"\xff" * 20, b"\x02" + bytes(7) + b"[]"):
        (folder / "model.safetensors").write_bytes(content)
        assert "safetensors file" in refused(tmp_path, path="m")


def test_pickled_weights_are_refused_and_a_bare_config_is_a_warning(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    (folder / "training_args.bin").write_bytes(b"x")
    found, findings = look_at_model(ModelReference(id="mine", path="m"), tmp_path)
    assert [(each.severity, each.code) for each in findings] == [("warning", "MODEL022")]
    assert found is not None
    assert not found.at_hand
    (folder / "pytorch_model.bin").write_bytes(b"x")
    assert "only as pickle (pytorch_model.bin)" in refused(tmp_path, path="m")


def test_parameters_of_packed_weights_are_left_to_the_architecture(tmp_path: Path) -> None:
    make_model(tmp_path / "m", quantization_config={"quant_method": "gptq", "bits": 4})
    found = model(tmp_path, path="m")
    assert (found.params, found.quantization) == (None, "gptq-4bit")


def test_paths_that_lead_to_no_model_say_what_is_there(tmp_path: Path, llama_gguf: Path) -> None:
    make_model(tmp_path / "models")
    (tmp_path / "notes.txt").write_text("x")
    assert "Did you mean `models`?" in refused(tmp_path, path="model")
    assert "not a .gguf one" in refused(tmp_path, path="notes.txt")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    assert "is an adapter" in refused(tmp_path, path="adapter")
    assert "Name the file: `./tiny.gguf`." in refused(tmp_path, path=".")
    (tmp_path / "models" / "config.json").write_text("{")
    assert "models/config.json` is not valid JSON" in refused(tmp_path, path="models")
    llama_gguf.write_bytes(b"GGUF")
    assert "truncated" in refused(tmp_path, path="tiny.gguf")


def test_a_file_in_a_package_is_found_without_importing_it(
    tmp_path: Path, llama_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "somewhere" / "a_model_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    llama_gguf.rename(package / "tiny.gguf")
    monkeypatch.syspath_prepend(tmp_path / "somewhere")
    found = model(tmp_path, path="package:a_model_package/tiny.gguf")
    assert (found.kind, found.pin) == ("gguf", "package:a_model_package/tiny.gguf")
    assert "It holds `tiny.gguf`." in refused(tmp_path, path="package:a_model_package/big.gguf")
    assert "is not installed" in refused(tmp_path, path="package:no_such_package/a.gguf")
    for path in ("package:a_model_package/../x.gguf", "package:a.b/x.gguf", "package:"):
        assert "package:NAME/FILE" in refused(tmp_path, path=path)


def test_the_hub_cache_is_read_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--org--name"
    make_model(repository / "snapshots" / COMMIT)
    found = model(tmp_path / "spec", id="org/name")
    assert (found.kind, found.pin, found.revision, found.params) == ("hub-cache", "hub:org/name", COMMIT, 42)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("../../..")
    assert "is not there" in refused(tmp_path, id="org/name")


def test_the_catalog_knows_a_model_whose_files_are_elsewhere(tmp_path: Path) -> None:
    found = model(tmp_path, id="Llama-3.1-8B-Instruct")
    assert (found.kind, found.pin) == ("catalog", "hub:meta-llama/Llama-3.1-8B-Instruct")
    assert (found.params, found.params_source, found.dtype) == (8_030_261_248, "catalog", "bf16")
    assert found.config
    assert not found.at_hand


def test_what_the_spec_declares_stands_before_the_catalog(tmp_path: Path) -> None:
    found = model(tmp_path, id="gpt2", license="own", params=7, dtype="fp16")
    assert (found.licence, found.params, found.params_source, found.dtype) == ("own", 7, "declared", "fp16")


def test_a_size_is_enough_and_nothing_is_not(tmp_path: Path) -> None:
    found = model(tmp_path, id="base-3b", params=3_000_000_000)
    assert (found.kind, found.pin, found.config, found.licence) == ("declared", None, None, None)
    assert "Did you mean `Qwen/Qwen2.5-7B-Instruct`" in refused(tmp_path, id="Qwen/Qwen2.5-7B-Instrct")


@pytest.mark.skipif(find_spec("tokenizers") is None, reason="the tokenizers library is not installed")
def test_the_models_tokenizer_counts_and_a_broken_one_does_not(tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    folder = make_model(tmp_path / "m")
    tokenizer = Tokenizer(WordLevel({"a": 0, "?": 1}, unk_token="?"))  # noqa: S106 - a token of text
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    assert tokenizer_of([model(tmp_path, path="m")]).counts(["a a b", ""]) == ([3, 0], "tokenizer of mine")
    (folder / "tokenizer.json").write_text("{}")
    counts, how = tokenizer_of([model(tmp_path, path="m")]).counts(["a a b"])
    assert counts == [2]
    assert how.startswith("estimated")
