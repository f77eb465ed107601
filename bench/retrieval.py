"""Plan, index and search many passages: seconds and peak memory of each, every stage in a process of its own.

    python -m bench.retrieval --passages 100000

The words are drawn as those of a language are, few of them often (Zipf), with a fixed seed; a passage has 120 of them.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path

from executors.contract import Job
from executors.retrieve import Retrieve, RetrieveParams
from executors.retrieve.index import Index
from planner.planning import plan

WORDS, PASSAGE_WORDS, QUERY_WORDS, QUERIES = 60_000, 120, 10, 200
CORPUS, BLOCK = "corpus.jsonl", 10_000


def vocabulary(chance: random.Random) -> list[str]:
    """Words of three to nine letters."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(chance.choices(letters, k=chance.randint(3, 9))) for _ in range(WORDS)]


def write_corpus(path: Path, passages: int) -> None:
    """Documents of one passage each, in JSON Lines."""
    chance = random.Random(0)  # noqa: S311 - not a secret
    words = vocabulary(chance)
    weights = [*accumulate(1 / (rank + 1) for rank in range(WORDS))]
    with path.open("w", encoding="utf-8") as stream:
        for start in range(0, passages, BLOCK):
            count = min(BLOCK, passages - start)
            drawn = chance.choices(words, cum_weights=weights, k=count * PASSAGE_WORDS)
            for number in range(count):
                text = " ".join(drawn[number * PASSAGE_WORDS : (number + 1) * PASSAGE_WORDS])
                row = {"id": f"d{start + number}", "title": words[number % WORDS], "text": text}
                stream.write(json.dumps(row) + "\n")


def planning(folder: Path) -> str:
    """A plan whose documents they are."""
    spec = {
        "task": {"description": "Answer the question.", "kind": "question-answering"},
        "data": {"documents": CORPUS},
        "models": [{"id": "gpt2"}],
        "hardware": "a10g",
    }
    steps = plan(spec, folder=folder).steps
    return f"{len(steps)} steps"


def indexing(folder: Path) -> str:
    """The `retrieve` step itself."""
    values = {"method": "bm25", "chunk_tokens": [256], "overlap": 0.1, "passages": [5], "recall_loss": 0.01}
    params = RetrieveParams.model_validate(values | {"language": None, "seed": 0})
    (folder / "out").mkdir()
    job = Job("retrieve/bm25", params, {"documents": folder / CORPUS}, folder / "out", folder, lambda _: None, folder)
    notes = Retrieve().perform(job).notes
    size = sum(item.stat().st_size for item in (folder / "out").rglob("*") if item.is_file())
    return f"{notes['passages']:,} passages, {size / 1e9:.2f} GB on disk"


def searching(folder: Path) -> str:
    """Queries one after another, as a server gets them."""
    chance = random.Random(1)  # noqa: S311 - not a secret
    words = vocabulary(random.Random(0))  # noqa: S311 - not a secret
    weights = [*accumulate(1 / (rank + 1) for rank in range(WORDS))]
    index = Index(folder / "out/index")
    times = []
    for _ in range(QUERIES):
        query = " ".join(chance.choices(words, cum_weights=weights, k=QUERY_WORDS))
        started = time.perf_counter()
        index.retrieve([query], 5)
        times.append(1000 * (time.perf_counter() - started))
    times.sort()
    return f"a query {times[len(times) // 2]:.1f} ms (median), {times[int(0.95 * len(times))]:.1f} ms (95%)"


STAGES = {"plan": planning, "index": indexing, "search": searching}


def main() -> None:
    """Print a row a stage."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        started = time.perf_counter()
        said = STAGES[given.stage](given.folder)
        wall, cpu = time.perf_counter() - started, time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(f"| {given.stage} | {said} | {wall:.1f} s | {cpu:.1f} s | {peak:.2f} GB |")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / CORPUS, given.passages)
        print(f"{given.passages:,} passages, {(folder / CORPUS).stat().st_size / 1e9:.2f} GB of text")
        print("| stage | what | wall | CPU | peak memory |\n|---|---|---|---|---|", flush=True)
        for stage in STAGES:
            command = [sys.executable, "-m", "bench.retrieval", "--stage", stage, "--folder", name]
            subprocess.run(command, check=True, cwd=Path(__file__).parents[1])


if __name__ == "__main__":
    main()
