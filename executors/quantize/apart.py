"""What the methods of other environments share: where they are made, what they are fitted to, and what they leave."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Literal

from executors.data import read_rows
from planner.documents import GPTQMODEL, LLM_COMPRESSOR, Environment, Finding, InputError, Where

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from executors.data import Row
    from planner.documents import JsonValue, Step

# Method to the environment of the library that makes it; the result is read in the one that adapt runs in.
ENVIRONMENTS: dict[str, Environment] = {
    "gptq": GPTQMODEL,
    "w4a16": LLM_COMPRESSOR,
    "w8a8": LLM_COMPRESSOR,
    "fp8-dynamic": LLM_COMPRESSOR,
    "fp8-weight": LLM_COMPRESSOR,
    "awq": LLM_COMPRESSOR,
}
Apart = Literal["gptq", "w4a16", "w8a8", "fp8-dynamic", "fp8-weight", "awq"]
BITS_APART = {"gptq": (4,), "w4a16": (4,), "w8a8": (8,), "fp8-dynamic": (8,), "fp8-weight": (8,), "awq": (4,)}
GROUPED = ("gptq", "w4a16", "awq")
CALIBRATED = (*GROUPED, "w8a8")
SEARCHED = {"awq": "AWQ searches the scale of each channel on an accelerator"}
# In nats a token, on average. The same weights in bf16 and in fp32 differ by 0.04 on a model of 135M, kernels that
# unpack in other places by 0.05; corrupted weights answer several nats off.
MOST = 0.15
# What rounding may be fitted to: nothing that is measured on, nor what settings are chosen on.
FITTED_TO = ("data/train", "data/documents")
# What the reload is held against, beside the model.
ANSWERS = "answers"


def check_calibration(step: Step) -> list[Finding]:
    """What forbids the data that a step fits its rounding to."""
    source = step.inputs.get("calibration")
    if source is None or source.pin is None or source.pin in FITTED_TO:
        return []
    message = f"{step.address} would fit its rounding to {source.pin}, which would flatter what is measured there."
    return [_finding("QUANT025", message, "Name the training data, or documents.", "/inputs/calibration")]


def check_apart(step: Step, method: str, device: str) -> list[Finding]:
    """What forbids a step with a method of another environment, on a device such as `cpu`."""
    if method not in ENVIRONMENTS:
        return []
    if step.environment != ENVIRONMENTS[method]:
        message = (
            f"{method} is made in the environment {ENVIRONMENTS[method].name}, which {step.address} does not name."
        )
        return [_finding("QUANT020", message, "Plan again with this version.", "/environment")]
    if method in CALIBRATED and "calibration" not in step.inputs:
        message = f"{method} fits the rounding to data, and {step.address} has no input `calibration`."
        return [_finding("QUANT021", message, "Name the training data.", "/inputs/calibration")]
    if method in SEARCHED and device == "cpu":
        message = f"{SEARCHED[method]}, and this machine has none."
        fix = "Run the step where one is, or override quantization with gptq, w4a16 or gguf."
        return [_finding("QUANT005", message, fix, "/params/method")]
    return []


def calibration_tokens(tokenizer: Any, path: Path, count: int, most: int, seed: int) -> list[list[int]]:
    """Tokens of rows as the model will see them: with the chat template where there is one.

    Args:
        tokenizer: of the model.
        path: the training data, or documents; never what is measured on.
        count: rows; all where there are fewer.
        most: tokens of a row; the rest is cut off.
        seed: of the choice of rows.

    Raises:
        InputError: the file holds no row with text.
    """
    rows = read_rows(path)
    chosen = sorted(random.Random(seed).sample(range(len(rows)), min(count, len(rows))))  # noqa: S311 - no secret
    found = [_tokens(tokenizer, rows[number])[:most] for number in chosen]
    if not any(found):
        raise InputError.one("QUANT022", "The calibration data hold no text.", "Name training data.", file=str(path))
    return [ids for ids in found if ids]


def answers_of(prompts: Sequence[Sequence[int]], logits: Sequence[Any]) -> list[JsonValue]:
    """What a model answers: at every token of each prompt the likeliest successor and its logarithmic probability."""
    kept: list[JsonValue] = []
    for ids, given in zip(prompts, logits, strict=True):
        values, tokens = given.log_softmax(-1).max(-1)
        kept.append({"prompt": list(ids), "tokens": tokens.tolist(), "log_p": [round(v, 6) for v in values.tolist()]})
    return kept


def differences(told: Sequence[Any], logits: Sequence[Any]) -> tuple[list[float], list[float]]:
    """How far a model is from answers, prompt by prompt.

    Args:
        told: of `answers_of`.
        logits: of the other model on the same prompts.

    Returns:
        The mean difference of the logarithmic probability of a token in nats, and the share of tokens kept.
    """
    off, kept = [], []
    for answer, given in zip(told, logits, strict=True):
        log_p = given.log_softmax(-1)
        tokens = log_p.new_tensor(answer["tokens"]).long()
        there = log_p.gather(-1, tokens[:, None])[:, 0]
        off.append(float((there - log_p.new_tensor(answer["log_p"])).abs().mean()))
        kept.append(float((log_p.argmax(-1) == tokens).float().mean()))
    return off, kept


def read_as_written(prompts: Sequence[Sequence[int]], before: Sequence[Any], again: Sequence[Any]) -> bool:
    """Whether two readers of the same weights agree on average; their kernels round in other places."""
    off, _ = differences(answers_of(prompts, before), again)
    return sum(off) <= MOST * len(off)


def _tokens(tokenizer: Any, row: Row) -> list[int]:
    if tokenizer.chat_template is None or not row.prompt:
        ids: list[int] = tokenizer(f"{row.prompt}\n{row.completion or ''}".strip())["input_ids"]
        return ids
    turns = [*row.before, {"role": "user", "content": row.prompt}]
    turns += [{"role": "assistant", "content": row.completion}] if row.completion else []
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=not row.completion)
    templated: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return templated


def _finding(code: str, message: str, fix: str, pointer: str) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(pointer=pointer))
