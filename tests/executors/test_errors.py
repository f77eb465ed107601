from __future__ import annotations

import errno

import pytest

from executors.errors import classify, out_of_memory
from planner.documents import InputError, RunError


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), "oom"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "oom"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "oom"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "oom"),
        (OSError(errno.ENOSPC, "No space left on device"), "infrastructure"),
        (ConnectionResetError(), "infrastructure"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "infrastructure"),
        (RunError.one("RUN100", "The disk is full."), "infrastructure"),
        (InputError.one("DATA001", "The file holds no rows."), "data"),
        (InputError.one("EVAL001", "The prompt does not fit."), "config"),
        (FloatingPointError(), "nan"),
        (KeyboardInterrupt(), "preempted"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "bug"),
        (KeyError("x"), "bug"),
    ],
)
def test_an_error_has_the_class_that_decides_the_retry(error: BaseException, expected: str) -> None:
    assert classify(error) == expected


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("", "Memory ran out."),
        (
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 299243648 bytes. Error",
            "Memory ran out when 299 MB more were asked for.",
        ),
        (
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB.",
            "The device's memory ran out when 2.00 GiB more were asked for.",
        ),
        ("CUDA error: out of memory", "The device's memory ran out."),
    ],
)
def test_a_lack_of_memory_is_one_sentence(said: str, sentence: str) -> None:
    assert out_of_memory(RuntimeError(said)) == sentence


def test_the_cause_of_an_unknown_error_is_looked_at() -> None:
    error = ValueError("wrapped")
    error.__cause__ = MemoryError()
    assert classify(error) == "oom"
