"""The documents: specs, plans, decisions, findings, failure reports, results; the leaf everything may import."""

from planner.documents.base import Document, JsonValue, ReadAhead, canonical_json, digest, pretty_json
from planner.documents.decision import AnswerReason, Cell, Decision, FactRecord, Rejected, RuleTrace
from planner.documents.errors import AdaptError, InputError, LockedError, RunError
from planner.documents.events import Artifact, Cost, Event, Measurement, StepError, StepResult
from planner.documents.failures import Evidence, FailingCase, FailureReport
from planner.documents.finding import Finding, Severity, Where
from planner.documents.fingerprint import fingerprint
from planner.documents.hardware import GB, GIB, Device, DeviceFacts, Hardware, HardwareRecord
from planner.documents.plan import Alternative, Budget, Filled, Pin, Plan, RuleBook, Stage, Status, plan_digest
from planner.documents.problems import near, validate
from planner.documents.review import Findings, ReviewedFile, Setting, Suppressed, Tool
from planner.documents.spec import (
    Attempt,
    Constraints,
    Data,
    DataSource,
    Evaluation,
    Merge,
    MergeSource,
    ModelReference,
    Spec,
)
from planner.documents.step import Estimate, Gate, Input, Reason, Resources, Retry, Step
from planner.documents.task import Knowledge, OtherTask, Output, Task

__all__ = [
    "GB",
    "GIB",
    "AdaptError",
    "Alternative",
    "AnswerReason",
    "Artifact",
    "Attempt",
    "Budget",
    "Cell",
    "Constraints",
    "Cost",
    "Data",
    "DataSource",
    "Decision",
    "Device",
    "DeviceFacts",
    "Document",
    "Estimate",
    "Evaluation",
    "Event",
    "Evidence",
    "FactRecord",
    "FailingCase",
    "FailureReport",
    "Filled",
    "Finding",
    "Findings",
    "Gate",
    "Hardware",
    "HardwareRecord",
    "Input",
    "InputError",
    "JsonValue",
    "Knowledge",
    "LockedError",
    "Measurement",
    "Merge",
    "MergeSource",
    "ModelReference",
    "OtherTask",
    "Output",
    "Pin",
    "Plan",
    "ReadAhead",
    "Reason",
    "Rejected",
    "Resources",
    "Retry",
    "ReviewedFile",
    "RuleBook",
    "RuleTrace",
    "RunError",
    "Setting",
    "Severity",
    "Spec",
    "Stage",
    "Status",
    "Step",
    "StepError",
    "StepResult",
    "Suppressed",
    "Task",
    "Tool",
    "Where",
    "canonical_json",
    "digest",
    "fingerprint",
    "near",
    "plan_digest",
    "pretty_json",
    "validate",
]
