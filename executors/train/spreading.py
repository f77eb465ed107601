"""How training is spread over devices: which parameters that takes, and what cannot be spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.contract import Site
    from executors.train.params import TrainParams
    from planner.documents import JsonValue

# Parameters that each way has: all of them, and no others, must be said.
SPREAD: dict[str, tuple[str, ...]] = {
    "single": (),
    "ddp": ("devices", "nodes"),
    "fsdp": ("devices", "nodes"),
    "zero-2": ("devices", "nodes", "offload"),
    "zero-3": ("devices", "nodes", "offload"),
    "offload": ("offload",),
}
# What DeepSpeed does, and FSDP2.
BY_DEEPSPEED = frozenset({"zero-2", "zero-3", "offload"})
BY_FSDP = frozenset({"fsdp"})
# Objectives that read a model before DeepSpeed has wrapped it, or a second one beside it.
BY_TWO_MODELS = frozenset({"preference", "distillation"})
# No process holds all of it.
SHARED = BY_FSDP | BY_DEEPSPEED


def refusals(params: TrainParams) -> list[tuple[bool, str]]:
    """Whether something cannot be spread as asked for, and the sentence that says so."""
    way = params.distribution
    shared = way in SHARED
    return [
        (
            shared and params.base_quantization is not None,
            f"distribution {way} cannot share out weights in {params.base_quantization}: use ddp, or lora",
        ),
        (
            shared and params.optimizer != "adamw",
            f"distribution {way} cannot share out the states of {params.optimizer}: use adamw",
        ),
        (
            way in BY_DEEPSPEED and params.objective in BY_TWO_MODELS,
            f"distribution {way} is not for {params.objective}, which reads a second model: use ddp, or fsdp",
        ),
        (
            shared and params.method == "relora",
            f"distribution {way} cannot fold adapters into weights that are shared out: use ddp, or lora",
        ),
        (shared and params.precision == "fp16", f"distribution {way} computes in bf16 or fp32, not in fp16"),
        (
            way == "offload" and params.offload == "none",
            "distribution offload needs offload of optimizer or parameters",
        ),
        (
            way == "zero-2" and params.offload == "parameters",
            "distribution zero-2 keeps weights on every device: parameters wait on the host with zero-3 or offload",
        ),
    ]


def out_of_reach(params: Mapping[str, JsonValue], site: Site) -> list[tuple[str, str]]:
    """Devices and machines that are asked for and not here: a sentence, and what to do."""
    devices, nodes = params.get("devices"), params.get("nodes")
    found = []
    if isinstance(nodes, int) and nodes > 1:
        message = f"Training is spread over {nodes} machines, and this place starts processes on one."
        found.append((message, "Plan for the devices of one machine."))
    elif isinstance(devices, int) and devices > site.devices:
        have = f"{site.devices} {'core' if site.device == 'cpu' else 'device'}{'' if site.devices == 1 else 's'}"
        message = f"Training is spread over {devices} devices, and this machine ({site.device}) has {have}."
        found.append((message, "Run it where the devices are, or plan again for this machine."))
    return found
