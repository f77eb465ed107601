"""Memory of quantizing a model: on the fly, or layer by layer with calibration data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.errors import unknown_name
from planner.memory.inference import weight_bytes
from planner.memory.interval import Interval
from planner.memory.loading import PROCESS_BYTES, PhaseEstimate, check_count, estimate_loading
from planner.memory.regime import FP32, HALF

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture

#: Stored format that each method's result has.
RESULT = {
    "gptq": "int4",
    "awq": "int4",
    "w4a16": "int4",
    "w8a8": "int8",
    "gguf": "int4",
    "nf4": "nf4",
    "int8": "int8",
    "int4": "int4",
    "fp8": "fp8",
    "fp8-dynamic": "fp8",
    "fp8-weight": "fp8",
}
#: Methods that need no data: weights are rounded as they are read.
ON_THE_FLY = frozenset({"nf4", "int8", "fp8", "fp8-dynamic", "fp8-weight", "int4", "gguf"})

#: Methods that keep an inverse Hessian of a layer's inputs.
HESSIAN = frozenset({"gptq", "w4a16", "w8a8"})


def estimate_quantization(
    architecture: Architecture, *, method: str = "gptq", samples: int = 128, sequence: int = 2048
) -> PhaseEstimate:
    """Return the peak of quantizing, one layer at a time on the device and the rest on the host.

    Calibration keeps the inputs of a layer for every sample, before and after it, and GPTQ an inverse Hessian of the
    widest input in fp32, two copies [gptq-2022; gptqmodel-7: looper]. Methods without data only read and round.

    Args:
        architecture: from `read_architecture`.
        method: a name of `RESULT`.
        samples: calibration sequences.
        sequence: tokens each.

    Raises:
        EstimateError: for an unknown method or counts below one.
    """
    if method not in RESULT:
        raise unknown_name("method", method, RESULT)
    check_count("samples", samples)
    check_count("sequence", sequence)
    if method in ON_THE_FLY:
        return estimate_loading(architecture, dtype=RESULT[method])
    hidden = architecture.hidden
    layer = HALF * max((block.parameters for block in architecture.blocks), default=0)
    activations = 2.0 * samples * sequence * hidden * HALF
    widest = max((linear.inputs for linear, _ in architecture.matrices() if linear.role != "head"), default=hidden)
    hessian = 2.0 * FP32 * widest**2 if method in HESSIAN else 0.0
    forward = sequence * HALF * (4.0 * hidden + 3.0 * widest)
    work = layer + FP32 / HALF * layer / 3 + hessian + forward
    result = weight_bytes(architecture, RESULT[method])
    base = HALF * architecture.parameters
    items = {"layer": int(layer), "hessian": int(hessian), "calibration": int(activations), "weights": int(base)}
    device = Interval(0.6 * work, work + activations, 1.5 * work + 2 * activations)
    host = Interval(
        PROCESS_BYTES.low + 0.3 * base, PROCESS_BYTES.expected + base + result, PROCESS_BYTES.high + 2 * base
    )
    notes = (
        "the device holds one layer and all calibration activations; frameworks that keep them on the host need less",
    )
    return PhaseEstimate(device, host, Interval(result, result, 1.03 * result), items, (*architecture.missing, *notes))
