"""Tokens per second of `evaluate`'s generation against plain `model.generate`, same batch size, same outputs.

    python -m bench.generation [MODEL_FOLDER] --rows 32 --dtype fp32

Plain: batches in file order, left padding, every batch until its last row is done. Ours: batches of like length, the
shared prompt prefix computed once, rows that end give way to others, packed weights. Both greedy, in one process, by
turns on every part of the rows, so that other load hits both; what packing takes counts.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Threads that wait must not burn the core that another's work is on; read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from bench.small_model import ROOT, ROWS, small_model
from executors.data import Row, read_rows
from executors.evaluate.generation import Generation, generate
from executors.models import load_model, load_tokenizer
from executors.prompt.document import make_prompt
from executors.prompt.examples import choose
from executors.prompt.render import prompt_ids, turn_end_id

if TYPE_CHECKING:
    from collections.abc import Sequence

SQUAD = ROOT.parent / "shared/data/rag-squad"
PARSING = "Turn the request into compact JSON with its intent and slots."
READING = "Answer the question from the passage in a few words."


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


def tasks(tokenizer: Any, rows: int) -> dict[str, list[list[int]]]:
    """Prompts of each task: requests without examples and with eight, and passages with questions where they are."""
    requests = read_rows(ROWS.with_name("test.jsonl"))[:rows]
    shown = choose(read_rows(ROWS), 8, select="random", seed=0, label=None)
    found = {
        "zero-shot": [prompt_ids(tokenizer, make_prompt(PARSING, ()), row) for row in requests],
        "8-shot": [prompt_ids(tokenizer, make_prompt(PARSING, shown), row) for row in requests],
    }
    if SQUAD.is_dir():
        passages = {one["id"]: one["text"] for one in _lines(SQUAD / "corpus.jsonl")}
        asked = [
            Row(one["id"], f"{passages[one['gold']]}\n\nQuestion: {one['question']}", None)
            for one in _lines(SQUAD / "questions.jsonl")[:rows]
        ]
        found["passages"] = [prompt_ids(tokenizer, make_prompt(READING, ()), row) for row in asked]
    else:
        print(f"passages: left out, {SQUAD} is not here")
    return found


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure(name: str, model: Any, tokenizer: Any, prompts: list[list[int]], how: Generation, part: int) -> None:
    """Print both speeds of a task, their ratio, and how many answers are the same."""
    ways = {"plain": lambda some: plain(model, tokenizer, some, how), "ours": lambda some: ours(model, some, how)}
    answers: dict[str, list[list[int]]] = {way: [] for way in ways}
    wall, cpu = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0)
    for start in range(0, len(prompts), part):
        for way, work in ways.items():
            began = time.perf_counter(), time.process_time()
            answers[way] += work(prompts[start : start + part])
            wall[way] += time.perf_counter() - began[0]
            cpu[way] += time.process_time() - began[1]
    tokens = {way: sum(map(len, answers[way])) for way in ways}
    for way in ways:
        speeds = f"{tokens[way] / wall[way]:7.1f} tokens/s  {tokens[way] / cpu[way]:7.1f} a CPU-s"
        print(f"{name:10} {way:6} {tokens[way]:6} tokens  {wall[way]:7.1f} s  {cpu[way]:7.1f} CPU-s  {speeds}")
    same = sum(one == other for one, other in zip(answers["ours"], answers["plain"], strict=True))
    by_wall, by_cpu = (tokens["ours"] / spent["ours"] / (tokens["plain"] / spent["plain"]) for spent in (wall, cpu))
    equal = f"{same} of {len(prompts)} answers the same"
    print(f"{name:10} ratio  {by_wall:.2f} by wall time, {by_cpu:.2f} by CPU time; {equal}", flush=True)


def main() -> None:
    """Measure every task."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--task", action="append", help="zero-shot, 8-shot or passages; all without")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--part", type=int, default=32, help="rows between two turns of the ways")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--max-new-tokens", type=int, default=96)
    parser.add_argument("--dtype", choices=("fp32", "bf16", "fp16"), default="fp32")
    given = parser.parse_args()
    folder = given.model or small_model()

    tokenizer, model = load_tokenizer(folder), load_model(folder, given.dtype)
    stop_ids = frozenset({turn_end_id(tokenizer), tokenizer.eos_token_id})
    how = Generation(given.max_new_tokens, given.batch_size, stop_ids, tokenizer.pad_token_id)
    for name, prompts in tasks(tokenizer, given.rows).items():
        if not given.task or name in given.task:
            load = f"load {os.getloadavg()[0]:.1f}"
            longest = max(map(len, prompts))
            print(f"{name}: {len(prompts)} prompts, up to {longest} tokens, batches of {how.batch_size}, {load}")
            measure(name, model, tokenizer, prompts, how, given.part)


if __name__ == "__main__":
    main()
