"""Reads the header of a .gguf file: metadata and tensor shapes, never the weights.

The `gguf` package reads headers too, but needs numpy and takes seconds; a plan has milliseconds.
Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAGIC = b"GGUF"
FIRST_READ_BYTES = 4 * 2**20
MAX_HEADER_BYTES = 256 * 2**20
MAX_TENSORS = 1_000_000
MAX_DIMENSIONS = 8
MAX_LIST = 4096
ALIGNMENT_BYTES = 32
_TEXT, _ARRAY = 8, 9
# Value type to struct code; 8 is text and 9 an array.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_READ_SCALAR = {kind: struct.Struct("<" + code) for kind, code in _SCALARS.items()}
# Tensor type to name, values a block, bytes a block.
TENSOR_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}


class GgufError(ValueError):
    """A file that is not a whole .gguf file; the text is a clause that reads after its name."""


@dataclass(frozen=True, slots=True)
class TextArray:
    """Where an array of texts lies in the header: read only by who needs it."""

    start: int
    """Offset of the first text's length, in bytes from the start of the file."""
    end: int
    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's place: shape as stored (fastest dimension first), type, offset in the data section in bytes."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def values(self) -> int:
        """How many values it holds."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What stands before the weights. Arrays of texts are `TextArray`s; other long arrays only their length."""

    version: int
    metadata: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    file_bytes: int
    content: bytes
    """The bytes that were read, at least up to the weights."""

    @property
    def params(self) -> int:
        """Values of all tensors: parameters, tied ones stored once; divisors of rotary frequencies are none."""
        return sum(tensor.values for name, tensor in self.tensors.items() if not name.startswith("rope_"))

    @property
    def tensor_type(self) -> str:
        """The type that most matrix values are stored in, such as `Q4_1`."""
        values: dict[int, int] = {}
        for tensor in self.tensors.values():
            values[tensor.kind] = values.get(tensor.kind, 0) + tensor.values
        if not values:
            return "none"
        kind = min(values, key=lambda each: (-values[each], each))
        return TENSOR_TYPES[kind][0] if kind in TENSOR_TYPES else f"type {kind}"

    def raw_texts(self, key: str) -> list[bytes]:
        """The texts of an array as UTF-8 bytes; empty when there is none of that name."""
        array = self.metadata.get(key)
        if not isinstance(array, TextArray):
            return []
        length_of, content, at, texts = _READ_SCALAR[10].unpack_from, self.content, array.start, []
        for _ in range(array.count):
            start = at + 8
            at = start + length_of(content, at)[0]
            texts.append(content[start:at])
        return texts


def read_gguf(path: Path) -> GgufHeader:
    """The header of a .gguf file, little-endian, version 2 or 3.

    Raises:
        GgufError: it is not such a file, is cut off, or contradicts itself.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    length = min(FIRST_READ_BYTES, size)
    with path.open("rb") as stream:
        content = stream.read(length)
        while True:
            try:
                return _Reader(content).header(size)
            except (struct.error, IndexError):
                if len(content) >= size:
                    raise GgufError("ends before its header does: it is truncated") from None
                if len(content) >= MAX_HEADER_BYTES:
                    raise GgufError(f"has a header of more than {MAX_HEADER_BYTES >> 20} MiB") from None
                more = stream.read(len(content) * 3)
                if not more:
                    raise GgufError("ends before its header does: it is truncated") from None
                content += more


class _Reader:
    """Walks through a header; runs past the end of the bytes by `struct.error` or `IndexError`."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def scalar(self, kind: int) -> Any:
        reader = _READ_SCALAR[kind]
        value = reader.unpack_from(self.content, self.at)[0]
        self.at += reader.size
        return value

    def text(self) -> str:
        length = self.scalar(10)
        end = self.at + length
        if length > MAX_HEADER_BYTES:
            raise GgufError(f"has a text of {length:,} bytes at byte {self.at:,}")
        if end > len(self.content):
            raise IndexError
        try:
            value = self.content[self.at : end].decode()
        except UnicodeDecodeError:
            raise GgufError(f"has a text at byte {self.at:,} that is not UTF-8") from None
        self.at = end
        return value

    def header(self, file_bytes: int) -> GgufHeader:
        if self.content[:4] != MAGIC:
            raise GgufError("is not a .gguf file: it does not start with GGUF")
        self.at = 4
        version = self.scalar(4)
        if version not in {2, 3}:
            reason = (
                "is big-endian, which is not read" if version >= 2**16 else f"has version {version}; 2 and 3 are read"
            )
            raise GgufError(reason)
        tensor_count, key_count = self.scalar(10), self.scalar(10)
        if max(tensor_count, key_count) > MAX_TENSORS:
            raise GgufError(f"claims {max(tensor_count, key_count):,} entries")
        metadata = {}
        for _ in range(key_count):
            key = self.text()
            metadata[key] = self.value(self.scalar(4))
        tensors = {}
        for _ in range(tensor_count):
            tensor = self.tensor()
            tensors[tensor.name] = tensor
        _refuse_truncated(tensors, metadata, self.at, file_bytes)
        return GgufHeader(version, metadata, tensors, file_bytes, self.content)

    def value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self.text()
        if kind == _ARRAY:
            return self.array()
        if kind not in _READ_SCALAR:
            raise GgufError(f"has a value of unknown type {kind} at byte {self.at:,}")
        return self.scalar(kind)

    def array(self) -> Any:
        kind, length = self.scalar(4), self.scalar(10)
        if length > MAX_HEADER_BYTES:
            raise GgufError(f"has an array of {length:,} values at byte {self.at:,}")
        if kind == _TEXT:
            return self.text_array(length)
        if kind not in _READ_SCALAR:
            raise GgufError(f"has an array of unknown type {kind} at byte {self.at:,}")
        reader = struct.Struct(f"<{length}{_SCALARS[kind]}")
        start, self.at = self.at, self.at + reader.size
        if self.at > len(self.content):
            raise IndexError
        # Per-layer lists matter; per-token lists are as long as the vocabulary and nobody asks for them.
        return list(reader.unpack_from(self.content, start)) if length <= MAX_LIST else length

    def text_array(self, length: int) -> TextArray:
        length_of, content, start, at = _READ_SCALAR[10].unpack_from, self.content, self.at, self.at
        try:
            for _ in range(length):
                at += 8 + length_of(content, at)[0]
        except OverflowError:  # a damaged length leads beyond any file
            raise IndexError from None
        if at > len(content):
            raise IndexError
        self.at = at
        return TextArray(start, at, length)

    def tensor(self) -> Tensor:
        name, dimensions = self.text(), self.scalar(4)
        if dimensions > MAX_DIMENSIONS:
            raise GgufError(f"gives tensor `{name[:60]}` {dimensions} dimensions")
        shape = tuple(self.scalar(10) for _ in range(dimensions))
        return Tensor(name, shape, self.scalar(4), self.scalar(10))


def _refuse_truncated(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any], at: int, file_bytes: int) -> None:
    alignment = metadata.get("general.alignment", ALIGNMENT_BYTES)
    if not isinstance(alignment, int) or alignment < 1:
        raise GgufError(f"has an alignment of {alignment!r}")
    start = -(-at // alignment) * alignment
    for tensor in tensors.values():
        if tensor.kind not in TENSOR_TYPES:
            continue
        _, values, block_bytes = TENSOR_TYPES[tensor.kind]
        end = start + tensor.offset + -(-tensor.values // values) * block_bytes
        if end > file_bytes:
            message = f"is truncated: it has {file_bytes:,} bytes, and tensor `{tensor.name[:60]}` ends at {end:,}"
            raise GgufError(message)
