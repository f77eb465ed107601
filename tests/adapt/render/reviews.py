"""A review made by hand, with everything that a rendering must cope with."""

from __future__ import annotations

from planner.documents import Estimate, Finding, Findings, ReviewedFile, Setting, Suppressed, Where

TRAIN = "configs/train 1.yml"
MERGE = "merge.yaml"
BROKEN = "broken.yaml"

RATE = Finding(
    code="REV901",
    severity="warning",
    message="The learning rate 2e-05 is that of full finetuning | <b>not</b> of *LoRA*.",
    why="Adapters learn at about ten times the rate.",
    fix="Set learning_rate to 2e-4.",
    where=Where(file=TRAIN, pointer="/learning_rate", line=7),
    cite=("schulman-2025-lora-without-regret", "a-key-that-no-catalog-has", "house"),
)
FITS_NOT = Finding(
    code="REV902",
    severity="error",
    message="It needs 91 GB & has 24 GB.",
    where=Where(file=TRAIN),
)
HINT = Finding(code="REV903", severity="note", message="Seed \x00 is not set.", where=Where(file=MERGE, line=1))
SYNTAX = Finding(
    code="CONF021", severity="error", message="`broken.yaml` is not YAML.", where=Where(file=BROKEN, line=3)
)
ASIDE = Finding(
    code="REV904", severity="warning", message="Remote code.", where=Where(file=TRAIN, pointer="/trust", line=2)
)
PUT_OFF = Finding(code="REV905", severity="error", message="Three models.", where=Where(file=MERGE, pointer="/m/0"))

RESULT = Findings(
    files=(
        ReviewedFile(
            file=TRAIN,
            tool="axolotl",
            recognised_by=("base_model", "adapter"),
            settings={
                "learning_rate": Setting(
                    value=2e-5, name="learning_rate", where=Where(file=TRAIN, pointer="/learning_rate", line=7)
                )
            },
            memory=Estimate(low=80e9, expected=91e9, high=99e9, unit="bytes"),
            device="A10G",
            unknowns=("the rows of acme/data are not known",),
        ),
        ReviewedFile(file=MERGE, tool="mergekit", recognised_by=("merge_method",)),
    ),
    findings=(SYNTAX, FITS_NOT, RATE, HINT),
    suppressed=(
        Suppressed(finding=ASIDE, by="inline", reason="the code is ours & pinned"),
        Suppressed(finding=PUT_OFF, by="baseline"),
    ),
    references={"house": "Our team (2026): Sweeps of spring. https://example.org/sweeps"},
)
CLEAN = Findings(files=(ReviewedFile(file=MERGE, tool="mergekit", recognised_by=("merge_method",)),))
