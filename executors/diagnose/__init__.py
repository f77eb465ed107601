"""Diagnosis: why answers fail, with the evidence of every case."""

from executors.diagnose.executor import Diagnose, DiagnoseParams

__all__ = ["Diagnose", "DiagnoseParams"]
