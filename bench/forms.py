"""Every form of one finetuned model, made and measured by the steps of a plan: what it keeps, takes and loses.

    python -m bench.forms [ROW ...] [--into FILE] [--again]

The small model learns the requests of `bench/snips` once. Each row is a plan of its own with its form pinned, planned
and run as `adapt plan` and `adapt run` do it, in one folder, so that training, merge and reference are there for all.
Names given choose among the rows, by their beginnings. What was measured is kept in FILE, a line each, and is not
measured again unless the plan became another one, or it is asked for. Some forms need their environments made.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.small_model import ROOT, small_model

if TYPE_CHECKING:
    from executors.forms import Form
    from executors.report import RunReport
    from planner.documents import Measurement, Plan

DATA = ROOT.parent / "shared/data/snips-json"
FOLDER = ROOT / "build/forms"
ROWS_MEASURED = 48
SMALL_FORMATS = ("int8", "torchao-int8", "gptq", "w4a16", "w8a8", "fp8-weight", "nf4", "fp4", "int8-int4")
FORMS: dict[str, dict[str, Any]] = {
    "merged": {},
    **{name: {"quantization": name} for name in SMALL_FORMATS},
    "int8-int4 after qat": {"quantization": "int8-int4", "qat": "int8-int4"},
    "gguf f16": {"quantization": "gguf", "quantization_bits": 16},
    "gguf q8_0": {"quantization": "gguf", "quantization_bits": 8},
    "gguf q4_0": {"quantization": "gguf", "quantization_bits": 4},
    # What is served on a CPU may not be fp8 with fp8 activations; made and measured beside what is served it may.
    "fp8-dynamic": {"variants": ["fp8-dynamic"]},
    "awq": {"quantization": "awq"},
    "int4": {"quantization": "int4"},
    "fp8": {"quantization": "fp8"},
}
# What the ladder found before training on these rows: bench/snips/README.md.
TRIED = [
    {"approach": "prompt", "prompts_tried": 9, "metrics": {"slot_f1": 0.01}},
    {"approach": "few-shot", "prompts_tried": 9, "examples": 8, "metrics": {"slot_f1": 0.53}},
]
HEAD = ("form", "KL", "same token", "slot F1 (95%)", "loss in points (95%)", "MB", "tokens/s", "CPU s", "load", "gates")


def main() -> None:
    """Print the table."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    options = argparse.ArgumentParser()
    options.add_argument("rows", nargs="*")
    options.add_argument("--into", type=Path, default=ROOT / "build/forms.jsonl")
    options.add_argument("--again", action="store_true")
    asked = options.parse_args()
    print(f"| {' | '.join(HEAD)} |\n|---|{'---:|' * (len(HEAD) - 2)}---|")
    known = {} if asked.again else _known(asked.into)
    for name in [name for name in FORMS if not asked.rows or any(name.startswith(each) for each in asked.rows)]:
        print(_line(name, _measured(name, known, asked.into)), flush=True)


def _known(file: Path) -> dict[str, dict[str, Any]]:
    """What was measured before, by the digest of its plan."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return {row["plan"]: row for row in map(json.loads, lines)}


def _measured(name: str, known: dict[str, dict[str, Any]], file: Path) -> dict[str, Any]:
    """A row, from its plan and its run; a form that is refused here, or whose run fails, is told and not kept."""
    import adapt

    try:
        plan = adapt.plan(_spec(name))
        if plan.digest in known:
            return known[plan.digest]
        path = FOLDER / f"{name.replace(' ', '-')}.json"
        adapt.save(plan, path)
        report = adapt.run(path, allow_paths=[DATA, small_model()])
    except adapt.AdaptError as error:
        return {"said": f"refused: {error.findings[0].message}"}
    if report.status not in ("done", "stopped"):
        return {"said": f"{report.status}: {report.because}"}
    row = {"form": name, "plan": plan.digest, "load": os.getloadavg()[0], **_values(plan, report)}
    row["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")
    return row


def _spec(name: str) -> dict[str, Any]:
    """The spec of `bench/snips` with its files by their whole paths, on fewer rows, with a form pinned."""
    spec: dict[str, Any] = json.loads((ROOT / "bench/snips/spec.json").read_text(encoding="utf-8"))
    FOLDER.mkdir(parents=True, exist_ok=True)
    spec["task"]["output"]["schema"] = str(ROOT / "bench/snips/schema.json")
    spec["data"] = {role: str(DATA / Path(path).name) for role, path in spec["data"].items()}
    spec["models"][0]["path"] = str(small_model())
    spec["evaluation"] = {"metrics": ["slot_f1"], "limit": ROWS_MEASURED}
    return spec | {"name": "forms", "attempts": TRIED, "failures": {"behaviour": 30}, "overrides": FORMS[name]}


def _values(plan: Plan, report: RunReport) -> dict[str, Any]:
    """What the run's report says of the form, and the adapter's own score beside it."""
    form: Form = report.equivalence[-1]
    [answered] = [step for step in report.steps if step.address == form.step]
    ended = "not gated" if not plan.step(f"equivalence/{form.form}").gates else "kept"
    return {
        "kl": form.kl_divergence and form.kl_divergence.value,
        "same": form.top1_agreement and form.top1_agreement.value,
        "score": _interval(form.score),
        "reference": _interval(report.equivalence[0].score),
        "loss": _interval(form.loss),
        "bytes": form.bytes,
        "tokens_per_s": form.tokens_per_s,
        "cpu_s": answered.cost and answered.cost.cpu_s,
        "dequantized": form.dequantized,
        "exit_code": report.exit_code,
        "gates": report.because if report.status == "stopped" else ended,
    }


def _interval(measured: Measurement | None) -> list[float | None]:
    return [] if measured is None else [measured.value, measured.low, measured.high]


def _line(name: str, row: dict[str, Any]) -> str:
    if "said" in row:
        return f"| {name} | {row['said']} |"
    f1 = "{:.2f} ({:.2f} to {:.2f})".format(*row["score"])
    lost = "{:.1f} ({:.1f} to {:.1f})".format(*(100 * bound for bound in row["loss"])) if row["loss"] else "-"
    figures = [f"{row['kl']:.2g}", f"{row['same']:.3f}", f1, lost, f"{row['bytes'] / 1e6:.0f}"]
    figures += [f"{row['tokens_per_s']:.0f}{'*' * row['dequantized']}", f"{row['cpu_s']:.0f}", f"{row['load']:.1f}"]
    return f"| {' | '.join([name, *figures, row['gates']])} |"


if __name__ == "__main__":
    main()
