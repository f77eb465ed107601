"""Slerp over more than two models: each further one is met on the arc from what those before it became."""

from __future__ import annotations

from typing import Annotated

from executors.merge.quiet import quiet

NAME = "chained_slerp"


def teach_mergekit() -> None:
    """Tell mergekit the method, once a process: mergekit's own slerp, link by link, in fp32 and without files between.

    The parameter `t` of each source but the first is its place on the arc; that of the first means nothing.
    """
    with quiet():
        from mergekit.merge_methods import (
            BatchParameter,
            InputContract,
            OptionalTensorPolicy,
            ParameterScope,
            TensorBatch,
            merge_method,
            register,
            registered_methods,
        )
        from mergekit.merge_methods.slerp import slerp
        from torch import Tensor

    if any(method.spec.name == NAME for method in registered_methods()):
        return

    # mergekit reads the annotations, which stand below: by name they would not be found.
    def chained(batch, t):  # type: ignore[no-untyped-def]
        first, *others = batch.tensors
        for place, other in zip(t.unbind(1)[1:], others, strict=True):
            first = slerp(place, first, other)
        return first

    chained.__annotations__ = {
        "batch": TensorBatch,
        "t": Annotated[Tensor, BatchParameter(float, ParameterScope.INPUT)],
        "return": Tensor,
    }
    policy = OptionalTensorPolicy.PASSTHROUGH_SINGLETON
    register(merge_method(chained, name=NAME, optional_tensor_policy=policy, contract=InputContract(min_inputs=2)))
