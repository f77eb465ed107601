"""How several devices share a training: files and commands of the launchers of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from planner.documents import pretty_json

if TYPE_CHECKING:
    from executors.export.sheet import Sheet

STAGES = {"zero-2": 2, "zero-3": 3}


class Spread(NamedTuple):
    """What a plan says of its devices."""

    way: str
    devices: int
    nodes: int
    offload: str

    @property
    def each(self) -> int:
        """Devices of one machine."""
        return max(1, self.devices // self.nodes)

    @property
    def stage(self) -> int | None:
        """Stage of DeepSpeed; None where it is not used."""
        if self.way == "offload":
            return 3 if self.offload == "parameters" else 2
        return STAGES.get(self.way)

    @property
    def torchrun(self) -> str:
        """What torchrun is told."""
        more = f" --nnodes={self.nodes}" if self.nodes > 1 else ""
        return f"--nproc_per_node={self.each}{more}"


def spread(sheet: Sheet) -> Spread:
    """The devices of a training; tells where one machine's command must be given on each."""
    way = str(sheet.get("distribution") or "single")
    devices, nodes = int(sheet.get("devices") or 1), int(sheet.get("nodes") or 1)
    if nodes > 1:
        because = f"The command is given on each of {nodes} machines, with the rank and the address of the first one."
        sheet.unsaid("nodes", because, "See the launcher's own words for several machines.")
    return Spread(way, devices, nodes, str(sheet.get("offload") or "none"))


def deepspeed(sheet: Sheet, found: Spread) -> dict[str, str]:
    """The file that DeepSpeed reads, named in the settings; nothing where it is not used [deepspeed-docs]."""
    if found.stage is None:
        return {}
    params = sheet.params
    zero: dict[str, Any] = {"stage": found.stage}
    if found.offload != "none":
        zero["offload_optimizer"] = {"device": "cpu"}
    if found.offload == "parameters":
        zero["offload_param"] = {"device": "cpu"}
    if found.stage == 3:  # noqa: PLR2004 - a stage
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    values = {
        "bf16": {"enabled": params.get("precision") == "bf16"},
        "fp16": {"enabled": params.get("precision") == "fp16"},
        "gradient_accumulation_steps": params.get("accumulation"),
        "gradient_clipping": params.get("max_grad_norm"),
        "train_micro_batch_size_per_gpu": params.get("micro_batch"),
        "zero_optimization": zero,
    }
    name = f"deepspeed_zero{found.stage}{'_offload' if found.offload != 'none' else ''}.json"
    sheet.put(deepspeed=name)
    return {name: pretty_json(values)}
