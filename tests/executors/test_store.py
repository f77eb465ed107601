from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.files import disk_guard, write_atomic
from executors.store import Store, content_digest
from planner.documents import Artifact, RunError

contents = st.dictionaries(st.sampled_from(["a", "b", "c/d", "c/e"]), st.binary(max_size=20), min_size=1)


def folder_of(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def test_a_file_is_moved_in_by_its_content(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    source = tmp_path / "out"
    source.write_bytes(b"abc")
    artifact = store.put(source, "file")
    assert artifact.digest.endswith("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert artifact.bytes == 3
    assert not source.exists()
    assert store.get(artifact.digest).read_bytes() == b"abc"
    assert store.has(artifact)
    assert store.verify(artifact.digest)


def test_the_same_content_is_kept_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    digests = {store.put(folder_of(tmp_path / name, {"x": b"1", "y/z": b"2"}), "model").digest for name in "ab"}
    assert len(digests) == 1
    assert not (tmp_path / "b").exists()
    assert len(list((tmp_path / "store/sha256").iterdir())) == 1


def test_a_changed_artifact_does_not_verify(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    artifact = store.put(folder_of(tmp_path / "a", {"x": b"1"}), "model")
    (store.get(artifact.digest) / "x").write_bytes(b"2")
    assert not store.verify(artifact.digest)
    (store.get(artifact.digest) / "x").write_bytes(b"longer")
    assert not store.has(artifact)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert not store.has(Artifact(digest="sha256:00", bytes=1, kind="file"))
    with pytest.raises(RunError, match="does not hold sha256:00"):
        store.get("sha256:00")


def test_links_are_refused(tmp_path: Path) -> None:
    folder_of(tmp_path / "a", {"x": b"1"})
    (tmp_path / "a/link").symlink_to("/etc/hosts")
    with pytest.raises(RunError, match="not a plain file"):
        Store(tmp_path / "store").put(tmp_path / "a", "model")


def test_from_another_file_system_it_is_copied_then_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.replace

    def across(self: Path, target: Path) -> Path:
        if self.name == "a":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", across)
    store = Store(tmp_path / "store")
    artifact = store.put(folder_of(tmp_path / "a", {"x": b"1"}), "model")
    assert store.verify(artifact.digest)
    assert not (tmp_path / "a").exists()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    source = folder_of(tmp_path / "a", {"x": b"1" * 2_000_000})
    with pytest.raises(RunError, match=r"The disk is full: 2\.0 MB are needed and [\d,.]+ MB are free") as caught:
        Store(tmp_path / "store").put(source, "model")
    assert len(caught.value.findings) == 1
    assert not list((tmp_path / "store").rglob("*"))
    with pytest.raises(RunError, match="disk is full"):
        write_atomic(tmp_path / "file.json", "text")
    assert not (tmp_path / "file.json").exists()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a"]


def test_other_errors_of_the_disk_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_guard(tmp_path):
        raise PermissionError(errno.EACCES, "no")


@given(one=contents, other=contents)
def test_the_digest_changes_when_and_only_when_the_content_does(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    root = tmp_path_factory.mktemp("digest")
    digests = [content_digest(folder_of(root / name, files))[0] for name, files in (("a", one), ("b", other))]
    assert (digests[0] == digests[1]) == (one == other)
