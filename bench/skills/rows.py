"""Writes sentences and questions about them as `prompt` and `completion` beside this file: the data are not shipped."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "shared" / "data" / "rag-squad"
FILES = {"reading-train": "questions-train", "reading-test": "questions"}


def main() -> None:
    """Write the rows to train on, and those to measure on; a question whose answer spans sentences is left out."""
    paragraphs = {row["id"]: row["text"] for row in _read("corpus")}
    for name, source in FILES.items():
        rows = []
        for row in _read(source):
            sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z])", paragraphs[row["gold"]])
            said = next((each for each in sentences if row["answers"][0] in each), None)
            if said is not None:
                prompt = f"{said}\n\n{row['question']}"
                rows.append({"id": row["id"], "prompt": prompt, "completion": row["answers"][0]})
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (HERE / f"{name}.jsonl").write_text(lines, encoding="utf-8")


def _read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SOURCE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
