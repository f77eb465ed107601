"""What the local ledger holds, for a table and for calibration."""

from __future__ import annotations

from typing import Any

from adapt.estimates.devices import device_kind
from executors.ledger import CPU, LedgerRow, ledger_path, read_ledger
from planner.memory.calibration import FEWEST, Calibration, Measured

FORMAT = "adapt.ledger/1"


def calibration_of(rows: list[LedgerRow] | None = None) -> Calibration | None:
    """What the ledger's training steps say of later estimates; None when they say nothing.

    Rows of a CPU are left out: resident memory holds the interpreter and its libraries too. A ledger that cannot be
    read says nothing.
    """
    if rows is None:
        try:
            rows, _ = read_ledger()
        except OSError:
            return None
    measured = [found for row in rows if (found := _measured(row)) is not None]
    return Calibration.of(measured) if len(measured) >= FEWEST else None


def ledger_report() -> dict[str, Any]:
    """The ledger as the JSON of `adapt memory --ledger`."""
    rows, skipped = read_ledger()
    return {
        "format": FORMAT,
        "path": str(ledger_path()),
        "rows": [{**row.model_dump(mode="json"), "compared": _measured(row) is not None} for row in rows],
        "skipped_lines": skipped,
    }


def _measured(row: LedgerRow) -> Measured | None:
    if (
        row.outcome != "done"
        or row.device == CPU
        or row.setting is None
        or row.allocated_bytes is None
        or row.expected_bytes is None
    ):
        return None
    return Measured(
        device=device_kind(row.device),
        method=str(row.setting.get("method")),
        checkpointing=bool(row.setting.get("checkpointing")),
        allocated_bytes=row.allocated_bytes,
        expected_bytes=row.expected_bytes,
        reserved_bytes=row.reserved_bytes,
        trainer=str(row.setting.get("trainer", "trl")),
    )
