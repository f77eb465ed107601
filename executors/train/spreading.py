"""How training is spread over devices: which parameters that takes, and what cannot be spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from executors.train.params import TrainParams

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


def refusals(params: TrainParams) -> list[tuple[bool, str]]:
    """Whether something cannot be spread as asked for, and the sentence that says so."""
    way = params.distribution
    shared = way in BY_FSDP | BY_DEEPSPEED
    return [
        (
            shared and params.base_quantization is not None,
            f"distribution {way} cannot share out weights in {params.base_quantization}: use ddp, or lora",
        ),
        (
            shared and params.optimizer != "adamw",
            f"distribution {way} cannot share out the states of {params.optimizer}: use adamw",
        ),
        (way in BY_FSDP and params.precision == "fp16", f"distribution {way} computes in bf16 or fp32, not in fp16"),
        (
            way == "offload" and params.offload == "none",
            "distribution offload needs offload of optimizer or parameters",
        ),
        (
            way == "zero-2" and params.offload == "parameters",
            "distribution zero-2 keeps weights on every device: parameters wait on the host with zero-3 or offload",
        ),
    ]
