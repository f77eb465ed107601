"""The book's rule of thumb, for explanation beside the estimate: memory from a parameter count alone."""

from __future__ import annotations

from dataclasses import dataclass

from planner.memory.errors import EstimateError, unknown_name

#: Bytes a value [book:numerical-representations]; tf32 is stored in four bytes of which 19 bits are used.
FORMAT_BYTES = {
    "fp64": 8.0, "fp32": 4.0, "tf32": 4.0, "fp16": 2.0, "bf16": 2.0, "fp8": 1.0, "int8": 1.0,
    "int4": 0.5, "nf4": 0.5, "fp4": 0.5,
}  # fmt: skip
#: Values of optimizer state for each trainable value [book:memory-bottlenecks].
STATE_VALUES = {"sgd": 0, "momentum": 1, "adam": 2}
#: Share that activations and key-value cache add to the weights in inference [book:memory-bottlenecks].
INFERENCE_OVERHEAD = 0.2


@dataclass(frozen=True, slots=True)
class RuleOfThumb:
    """The rule's figures, all in bytes. training_bytes leaves activations out, as the rule's examples do."""

    weights_bytes: int
    inference_bytes: int
    gradients_bytes: int
    states_bytes: int
    training_bytes: int


def rule_of_thumb(
    parameters: int,
    *,
    dtype: str = "bf16",
    trainable: int | None = None,
    optimizer: str = "adam",
    value_bytes: float = 2.0,
) -> RuleOfThumb:
    """Return the rule's figures for a model of that many parameters [book:memory-bottlenecks].

    Args:
        parameters: values in the model.
        dtype: format of the weights, a key of `FORMAT_BYTES`.
        trainable: values that train; all of them by default.
        optimizer: sgd, momentum or adam.
        value_bytes: bytes of each gradient and state value.

    Raises:
        EstimateError: for an unknown format or optimizer, or counts that no model has.
    """
    if dtype not in FORMAT_BYTES:
        raise unknown_name("dtype", dtype, FORMAT_BYTES)
    if optimizer not in STATE_VALUES:
        raise unknown_name("optimizer", optimizer, STATE_VALUES)
    trained = parameters if trainable is None else trainable
    if parameters <= 0 or not trained >= 0:
        raise EstimateError(
            f"params {parameters!r} is not a model's size.",
            field="params",
            value=parameters,
            allowed="a positive number",
        )
    weights = round(parameters * FORMAT_BYTES[dtype])
    gradients = round(trained * value_bytes)
    states = round(trained * STATE_VALUES[optimizer] * value_bytes)
    return RuleOfThumb(
        weights_bytes=weights,
        inference_bytes=round(weights * (1 + INFERENCE_OVERHEAD)),
        gradients_bytes=gradients,
        states_bytes=states,
        training_bytes=weights + gradients + states,
    )
