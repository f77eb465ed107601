"""Which modules an adapter changes, by the names that peft accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.errors import EstimateError, near_names

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture, Block, Linear


def is_target(linear: Linear, targets: tuple[str, ...] | str) -> bool:
    """Whether an adapter with these targets changes this matrix.

    ``all-linear`` is every linear module but the output layer [peft: tuners_utils._maybe_include_all_linear_layers];
    a name matches the last parts of the module's path. Experts held in one parameter are no module and need a path.
    """
    if targets == "all-linear":
        return linear.copies == 1 and linear.role not in ("head", "router")
    return any(linear.path == name or linear.path.endswith(f".{name}") for name in targets)


def check_targets(architecture: Architecture, targets: tuple[str, ...] | str) -> None:
    """Refuse names that match no module of the model.

    Raises:
        EstimateError: for the first name that matches nothing, with the nearest names that would.
    """
    if targets == "all-linear":
        return
    linears = [linear for linear, _ in architecture.matrices()]
    for name in targets:
        if not any(is_target(linear, (name,)) for linear in linears):
            names = sorted({linear.name for linear in linears})
            raise EstimateError(
                f"no module of this {architecture.model_type} model is named {name!r}.",
                field="targets",
                value=name,
                allowed=f"all-linear, {', '.join(names)}",
                near=near_names(name, names),
            )


def adapted(block: Block, targets: tuple[str, ...] | str) -> tuple[Linear, ...]:
    """Return the matrices of a block that get an adapter."""
    return tuple(linear for linear in block.linears if is_target(linear, targets))
