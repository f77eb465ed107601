"""The training steps of a plan with all that another tool must be given: base, rows, and what came before."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from executors.contract import Job
from executors.data import read_rows
from executors.export.filled import rows_with_gaps
from executors.export.labelled import labelled_rows
from executors.export.rows import comparisons, texts, told
from executors.export.stretching import config_of
from executors.prompt.document import read_prompt
from executors.registry import executor_registry
from executors.schedule import schedule
from executors.train.belonging import SINGLE_ANSWERS
from planner.documents import Finding, InputError, Where

if TYPE_CHECKING:
    from executors.export.filled import Gaps
    from executors.export.rows import Told
    from executors.prompt.document import Prompt
    from executors.sources import Sources
    from planner.documents import Input, Step
    from planner.documents.finding import Severity

OBJECTIVES = ("sft", "continued-pretraining", "preference", "long-context", "infilling", "classification-head")
# What is learned as pairs of a request and its answer.
PAIRS = ("sft", "long-context", "infilling")


@dataclass(frozen=True)
class Base:
    """The model that a training starts from, as other tools name it."""

    name: str
    """An id on the hub, a folder, or the output folder of the training before."""
    revision: str | None = None
    chat: bool = True
    """Whether its tokenizer has a chat template."""
    layers: int | None = None
    config: dict[str, Any] = field(default_factory=dict)
    """Its configuration, as far as the plan knows it."""
    adapter: str | None = None
    """Folder of the adapter that an earlier training of the plan left on it, which is trained further."""


@dataclass(frozen=True)
class Training:
    """One training."""

    step: Step
    base: Base
    train: list[Told]
    validation: list[Told]
    findings: list[Finding] = field(default_factory=list)
    """What is not as the plan's own training has it."""

    on_cpu: bool = False
    labels: tuple[str, ...] = ()
    """Of a head, in the order of its scores."""
    gaps: Gaps | None = None
    """Of infilling: how gaps are marked in the rows."""

    @property
    def name(self) -> str:
        """Last part of the step's address."""
        return self.step.address.rpartition("/")[2]

    @property
    def shape(self) -> str:
        """What the rows are to a tool: pairs (`sft`), text, comparisons, or labels."""
        objective = str(self.step.params.get("objective"))
        return "sft" if objective in PAIRS else objective

    @property
    def loss(self) -> str | None:
        """The loss of a preference training, by trl's name."""
        return str(self.step.params.get("preference_loss") or "sigmoid") if self.compares else None

    @property
    def compares(self) -> bool:
        """Whether answers are compared or judged."""
        return self.step.params.get("objective") == "preference"

    @property
    def params(self) -> dict[str, Any]:
        """The step's parameters."""
        return dict(self.step.params)

    def apart(self) -> Training:
        """The same with a row for each answer that is learned, for tools that learn one answer of a row."""
        train, validation = ([one for row in rows for one in row.apart()] for rows in (self.train, self.validation))
        if len(train) == len(self.train):
            return replace(self, train=train, validation=validation)
        message = (
            f"All answers of a conversation are learned in one pass in the plan; here each has a row of its own behind "
            f"the turns before it: {len(train)} rows of {len(self.train)}."
        )
        fix = "The same tokens are learned, in more steps an epoch."
        finding = _note(self.step, "/params/learn_turns", message, fix, severity="warning")
        return replace(self, train=train, validation=validation, findings=[*self.findings, finding])


def trainings(sources: Sources) -> list[Training]:
    """The trainings of a plan in the order in which they run.

    Raises:
        InputError: the plan trains nothing, or a file that it trains on cannot be read.
    """
    steps = [step for step in schedule(sources.plan.steps) if step.executor == "train"]
    if not steps:
        message = f"The plan {sources.plan.name} trains nothing, so there is nothing to export to a training tool."
        fix = "Its rungs only prompt or retrieve: `adapt explain` says why, `adapt why-not` what training would need."
        raise InputError.one("EXPORT002", message, fix)
    return [_training(step, sources) for step in steps]


def _training(step: Step, sources: Sources) -> Training:
    objective = str(step.params.get("objective"))
    if objective not in OBJECTIVES:
        message = f"{step.address} trains for {objective}, which none of the tools is told."
        raise InputError.one("EXPORT002", message, f"They are told {', '.join(OBJECTIVES)}; run it with adapt.")
    findings: list[Finding] = []
    base = _base(step, sources, findings)
    on_cpu = all(device.kind == "cpu" for device in sources.plan.hardware.devices)
    if objective == "classification-head":
        labels, labelled = labelled_rows(step, sources)
        return Training(step, base, *labelled, findings, on_cpu, labels)
    if objective == "infilling":
        gaps, filled = rows_with_gaps(step, sources)
        # The rows hold their marks, and no template belongs around them.
        return Training(step, replace(base, chat=False), *filled, findings, on_cpu, gaps=gaps)
    prompt = _prompt(step.inputs["prompt"], sources) if objective != "continued-pretraining" else None
    sets: dict[str, list[Told]] = {}
    for name in ("train", "validation"):
        if name in step.inputs:
            sets |= _rows(step, name, prompt, base, sources, findings)
    return Training(step, base, sets["train"], sets.get("validation", []), findings, on_cpu)


def _base(step: Step, sources: Sources, findings: list[Finding]) -> Base:
    """The model by its id where it is a hub's or was unpacked from GGUF; by its folder where it is one."""
    plan = sources.plan
    origin = _origin(step.inputs["model"], sources)
    earlier = _earlier(step.inputs.get("adapter"), sources)
    if origin.executor in ("train", "merge"):
        before = origin if origin.executor == "train" else _origin(origin.inputs["adapter"], sources)
        found = _base(before, sources, [])
        name = _result(before)
        if origin.executor == "merge":
            name = name.replace("/output", "/merged")
            message = f"This training starts from the result of {before.address} merged into its base, as {name}."
            fix = "Merge the adapter there first, with the tool's own command or `merge_and_unload` of peft."
            findings.append(_note(step, "/inputs/model", message, fix, severity="warning"))
        return Base(name, None, found.chat, found.layers, found.config)
    pin = plan.pins.get("model/base")
    if origin.executor not in ("pin", "prepare") or pin is None:
        message = f"{step.address} starts from what {origin.address} makes, which other tools cannot be told."
        raise InputError.one("EXPORT002", message, "Run the plan, and export its result instead.")
    decision = plan.decision("base_model")
    surveyed = _surveyed(plan.surveyed, str(pin.id or (decision.answer if decision else "")))
    config = config_of(surveyed)
    name, revision = pin.id or pin.path, pin.revision
    if pin.path.startswith("hub:"):
        name = pin.path.removeprefix("hub:")
    elif (sources.root / pin.path).is_dir():
        name = str((sources.root / pin.path).resolve())
    else:
        message = (
            f"The plan trains the weights of {Path(pin.path).name}; the export names {name}, whose weights may differ."
        )
        findings.append(_note(step, "/inputs/model", message, "Set the base to a folder of your own where they must."))
    layers = config.get("num_hidden_layers")
    chat = surveyed.get("has_chat_template") is not False
    return Base(name, revision, chat, layers if isinstance(layers, int) else None, config, earlier)


def _surveyed(surveyed: Any, name: str) -> dict[str, Any]:
    models = surveyed.get("models")
    found = models.get(name) if isinstance(models, dict) else None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _origin(source: Input, sources: Sources) -> Step:
    from planner.documents import Step

    if source.step is not None:
        return sources.plan.step(source.step)
    return Step(address="pin/model", title="", executor="pin", version="1")


def _earlier(source: Input | None, sources: Sources) -> str | None:
    return None if source is None or source.step is None else _result(sources.plan.step(source.step))


def _result(step: Step) -> str:
    """The output folder of a training as the one after it names it: exports of one plan lie side by side."""
    return f"../{step.address.rpartition('/')[2]}/output"


def _prompt(source: Input, sources: Sources) -> Prompt:
    """The prompt that rows are rendered with: what a run left, or made now where that takes no model."""
    path = sources.find(source)
    if isinstance(path, Path):
        return read_prompt(path)
    step = sources.plan.step(str(source.step))
    if step.executor != "prompt":
        message = f"The prompt of the training comes from {step.address}, which has not been run."
        raise InputError.one("EXPORT004", message, "Run the plan up to there; the export then finds it.")
    executor = executor_registry().load("prompt")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = {key: found for key, one in step.inputs.items() if (found := sources.find(one)) is not None}
        params = executor.params.model_validate(step.params)
        executor.perform(Job(step.address, params, inputs, folder, folder, lambda _: None, folder))
        return read_prompt(folder / "prompt")


def _rows(
    step: Step, name: str, prompt: Prompt | None, base: Base, sources: Sources, findings: list[Finding]
) -> dict[str, list[Told]]:
    """The rows of an input by its name, and of documents those that are held out of them."""
    source = step.inputs[name]
    path = sources.find(source)
    if not isinstance(path, Path):
        message = f"The rows of {step.address} come from {source.step or source.pin}, which is not at hand."
        raise InputError.one("EXPORT004", message, "Run the plan up to there; the export then finds them.")
    if prompt is None:
        share = float(str(step.params.get("held_out") or 0)) if name == "train" else 0.0
        learned, held = texts(path, share)
        if held:
            message = f"{len(held)} documents are held out to validate with; the plan draws others by its seed."
            findings.append(_note(step, "/params/held_out", message, "The losses differ a little."))
        return {name: learned, **({"validation": held} if held else {})}
    if step.params.get("objective") == "preference":
        single = step.params.get("preference_loss") in SINGLE_ANSWERS
        return {name: comparisons(path, prompt, single=single, chat=base.chat)}
    rows = read_rows(path)
    if "index" in step.inputs:
        from executors.retrieve.reading import open_index, to_learn_from

        inputs = {key: sources.find(step.inputs[key]) for key in ("index", "encoder", "reranker") if key in step.inputs}
        if None in inputs.values():
            message = f"{step.address} trains on prompts with passages, whose index has not been built."
            fix = f"Run the plan up to {step.inputs['index'].step}; the export then renders the passages."
            raise InputError.one("EXPORT004", message, fix)
        rows = to_learn_from(open_index({key: found for key, found in inputs.items() if found is not None}), rows)
        message = "Each request holds the passages that were found for it, written out: they do not follow the index."
        findings.append(_note(step, "/inputs/index", message, "Export again when the documents change."))
    every = step.params.get("learn_turns") == "all"
    return {name: told(rows, prompt, chat=base.chat, every=every, file=path)}


def _note(step: Step, part: str, message: str, fix: str, severity: Severity = "note") -> Finding:
    where = Where(pointer=f"/steps/{step.address.replace('/', '~1')}{part}")
    return Finding(code="EXPORT011", severity=severity, message=message, fix=fix, where=where)
