"""What DeepSpeed is told: the file that it reads, from the parameters of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.files import write_atomic
from executors.train.spreading import BY_DEEPSPEED
from planner.documents import pretty_json

if TYPE_CHECKING:
    from pathlib import Path

    from executors.train.params import TrainParams

FILE = "deepspeed.json"
STAGE = {"zero-2": 2, "zero-3": 3}


def settings(params: TrainParams, device: str, folder: Path) -> dict[str, Any]:
    """Arguments of the trainer for a device, with the file written where DeepSpeed is to be used."""
    if params.distribution not in BY_DEEPSPEED:
        return {"use_cpu": device == "cpu"}
    file = folder / FILE
    write_atomic(file, pretty_json(configuration(params)))
    return {"deepspeed": str(file)}


def configuration(params: TrainParams) -> dict[str, Any]:
    """Stage, offload, batch, clipping and precision [deepspeed-docs].

    With `offload` on one device, states wait in main memory by stage 2, weights by stage 3 [ren-2021-zero-offload].
    """
    waits = params.offload or "none"
    zero: dict[str, Any] = {"stage": STAGE.get(params.distribution, 3 if waits == "parameters" else 2)}
    if waits != "none":
        zero["offload_optimizer"] = {"device": "cpu"}
    if waits == "parameters":
        zero["offload_param"] = {"device": "cpu"}
    return {
        "train_micro_batch_size_per_gpu": params.micro_batch,
        "gradient_accumulation_steps": params.accumulation,
        "gradient_clipping": params.max_grad_norm,
        "zero_optimization": zero,
        # The optimizer is torch's, on the host too.
        "zero_force_ds_cpu_optimizer": False,
        "zero_allow_untested_optimizer": True,
        "torch_autocast": {"enabled": params.precision == "bf16", "dtype": "bfloat16"},
    }


def forget_deepspeed() -> None:
    """Let models be loaded whole again: after stage 3 transformers would share out each one that it loads."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()
