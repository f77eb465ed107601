"""Writes the intents of the Snips requests alone, as `text` and `label`, beside this file: the data are not shipped."""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "shared" / "data" / "snips-json"


def main() -> None:
    """Write train.jsonl, valid.jsonl and test.jsonl."""
    for name in ("train", "valid", "test"):
        rows = [json.loads(line) for line in (SOURCE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        kept = ({"id": row["id"], "text": row["prompt"], "label": row["intent"]} for row in rows)
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
        (HERE / f"{name}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
