"""The store: artifacts by the digest of all their bytes, moved in by one rename."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executors.files import disk_guard, remove, sync_folder
from planner.documents import Artifact, Finding, RunError, digest

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Store:
    """Artifacts under `folder/sha256/<hex>`, each a file or a folder that is never changed."""

    folder: Path

    def put(self, source: Path, kind: str) -> Artifact:
        """Move a file or folder into the store; the source is gone afterwards.

        A rename within one file system, so that a kill leaves the source or the artifact, never a part. What is
        already there is kept, and the source removed.

        Raises:
            RunError: the disk is full, or the source holds a link or another special file.
        """
        size = _check(source)
        with disk_guard(self.folder, size):
            content, size = content_digest(source, sync=True)
            target = self.path(content)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                remove(source)
            else:
                _move(source, target)
                sync_folder(target.parent)
        return Artifact(digest=content, bytes=size, kind=kind)

    def path(self, content: str) -> Path:
        """Where the artifact of a digest lies, or would lie."""
        return self.folder / "sha256" / content.removeprefix("sha256:")

    def get(self, content: str) -> Path:
        """The file or folder of a digest.

        Raises:
            RunError: the store does not hold it.
        """
        path = self.path(content)
        if not path.exists():
            raise RunError([_finding("RUN111", f"The store does not hold {content}.", "Run the plan again.")])
        return path

    def has(self, artifact: Artifact) -> bool:
        """Whether an artifact is there with its full size; instant, for the content see `verify`."""
        path = self.path(artifact.digest)
        return path.exists() and _size(path) == artifact.bytes

    def verify(self, content: str) -> bool:
        """Whether an artifact is there and all its bytes are what they were."""
        path = self.path(content)
        return path.exists() and content_digest(path)[0] == content


def content_digest(path: Path, *, sync: bool = False) -> tuple[str, int]:
    """Digest and size in bytes of all the content of a file, or of a folder's files by relative name.

    Args:
        path: a file or a folder.
        sync: also make every file and folder durable.
    """
    if path.is_file():
        return _file_digest(path, sync=sync)
    parts = {item.relative_to(path).as_posix(): _file_digest(item, sync=sync) for item in _files(path)}
    if sync:
        for folder in (path, *(item for item in path.rglob("*") if item.is_dir())):
            sync_folder(folder)
    return digest({name: list(part) for name, part in parts.items()}), sum(size for _, size in parts.values())


def _files(folder: Path) -> list[Path]:
    return sorted(item for item in folder.rglob("*") if item.is_file())


def _file_digest(path: Path, *, sync: bool) -> tuple[str, int]:
    with path.open("rb") as stream:
        content = hashlib.sha256()
        size = 0
        while chunk := stream.read(_CHUNK_BYTES):
            content.update(chunk)
            size += len(chunk)
        if sync:
            os.fsync(stream.fileno())
    return "sha256:" + content.hexdigest(), size


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else sum(item.stat().st_size for item in _files(path))


def _check(source: Path) -> int:
    """The size of a source in bytes, once it is known to hold files and folders only."""
    items = [source, *source.rglob("*")] if source.is_dir() else [source]
    for item in items:
        # A link would make the content depend on what lies elsewhere.
        if item.is_symlink() or not (item.is_file() or item.is_dir()):
            raise RunError(
                [_finding("RUN112", f"The output {source.name} holds {item.name}, which is not a plain file.", "")]
            )
    return sum(item.stat().st_size for item in items if item.is_file())


def _move(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:  # another worker was quicker with the same content
            remove(source)
        elif error.errno == errno.EXDEV:
            _copy_in(source, target)
        else:
            raise


def _copy_in(source: Path, target: Path) -> None:
    """Move from another file system: copy beside the target, then rename."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if source.is_dir():
            shutil.copytree(source, temporary)
        else:
            shutil.copyfile(source, temporary)
        content_digest(temporary, sync=True)
        temporary.replace(target)
    except BaseException:
        remove(temporary)
        raise
    remove(source)


def _finding(code: str, message: str, fix: str) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix)
