"""Review configurations from a program of your own: `python examples/review_in_code.py configs/train.yml`."""

from __future__ import annotations

import sys

import adapt


def main(files: list[str]) -> int:
    """Print what is wrong; the number of errors and warnings is the exit code."""
    result = adapt.review(files, hardware="a10g")
    for file in result.files:
        needed = f", {file.memory.expected / 1e9:.1f} GB expected" if file.memory else ""
        print(f"{file.file} is of {file.tool}{needed}")
    for finding in result.findings:
        print(f"{finding.severity} {finding.code} at {finding.where}: {finding.message} {finding.fix}")
    return min(len(result.at_least("warning")), 99)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
