"""Tokens per second of `evaluate`'s generation against plain `model.generate`, same batch size, same outputs.

    python -m bench.generation [MODEL_FOLDER DATA.jsonl] --train TRAIN.jsonl --examples 8

Plain: batches in file order, left padding, every batch until its last row is done. Ours: batches of like length, the
shared prompt prefix computed once, finished rows dropped. Both greedy, one process, one after the other.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.small_model import ROWS, small_model
from executors.data import read_rows
from executors.evaluate.generation import Generation, generate
from executors.models import load_model, load_tokenizer
from executors.prompt.document import make_prompt
from executors.prompt.examples import choose
from executors.prompt.render import prompt_ids, turn_end_id

if TYPE_CHECKING:
    from collections.abc import Sequence


def ours(model: Any, prompts: Sequence[list[int]], how: Generation) -> list[list[int]]:
    """Answers as `evaluate` makes them."""
    answers: dict[int, list[int]] = {}
    for batch in generate(model, prompts, how):
        answers |= batch
    return [answers[index] for index in range(len(prompts))]


def plain(model: Any, tokenizer: Any, prompts: Sequence[list[int]], how: Generation) -> list[list[int]]:
    """Answers of the library, batch by batch in file order."""
    answers = []
    for start in range(0, len(prompts), how.batch_size):
        batch = tokenizer.pad({"input_ids": list(prompts[start : start + how.batch_size])}, return_tensors="pt")
        made = model.generate(
            **batch.to(model.device),
            max_new_tokens=how.max_new_tokens,
            do_sample=False,
            eos_token_id=sorted(how.stop_ids),
            pad_token_id=how.pad_id,
        )
        for row in made[:, batch["input_ids"].shape[1] :].tolist():
            end = next((at for at, token in enumerate(row) if token in how.stop_ids), len(row))
            answers.append(row[:end])
    return answers


def main() -> None:
    """Print both speeds, their ratio, and how many answers are the same."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("data", type=Path, nargs="?", default=ROWS.with_name("test.jsonl"))
    parser.add_argument("--train", type=Path, help="rows to take examples from")
    parser.add_argument("--examples", type=int, default=0)
    parser.add_argument("--instruction", default="Turn the request into compact JSON with its intent and slots.")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--max-new-tokens", type=int, default=96)
    parser.add_argument("--dtype", choices=("fp32", "bf16", "fp16"), default="fp32")
    given = parser.parse_args()
    given.model = given.model or small_model()

    tokenizer, model = load_tokenizer(given.model), load_model(given.model, given.dtype)
    train = read_rows(given.train) if given.train else []
    shown = choose(train, given.examples, select="random", seed=0, label=None)
    prompt = make_prompt(given.instruction, shown)
    prompts = [prompt_ids(tokenizer, prompt, row) for row in read_rows(given.data)[: given.rows]]
    stop_ids = frozenset({turn_end_id(tokenizer), tokenizer.eos_token_id})
    how = Generation(given.max_new_tokens, given.batch_size, stop_ids, tokenizer.pad_token_id)

    print(f"{len(prompts)} prompts, up to {max(map(len, prompts))} tokens, batches of {how.batch_size}, {given.dtype}")
    answers: dict[str, list[list[int]]] = {}
    speeds: dict[str, tuple[float, float]] = {}
    ways = {"plain": lambda: plain(model, tokenizer, prompts, how), "ours": lambda: ours(model, prompts, how)}
    for name, work in ways.items():
        wall, cpu = time.perf_counter(), time.process_time()
        answers[name] = work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        tokens = sum(map(len, answers[name]))
        speeds[name] = tokens / wall, tokens / cpu
        print(f"{name:6} {tokens:6} tokens  {wall:7.1f} s  {tokens / wall:7.1f} tokens/s  {tokens / cpu:7.1f} a CPU-s")
    same = sum(one == other for one, other in zip(answers["ours"], answers["plain"], strict=True))
    ratios = [speeds["ours"][at] / speeds["plain"][at] for at in (0, 1)]
    print(
        f"ratio  {ratios[0]:.2f} by wall time, {ratios[1]:.2f} by CPU time; {same} of {len(prompts)} answers the same"
    )


if __name__ == "__main__":
    main()
