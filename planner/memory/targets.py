"""Which modules an adapter changes, by the names that peft accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.errors import EstimateError, near_names

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture, Linear


def is_target(linear: Linear, targets: tuple[str, ...] | str) -> bool:
    """Whether an adapter with these targets changes this matrix.

    ``all-linear`` is every linear module but the output layer [peft: tuners_utils._maybe_include_all_linear_layers];
    a name matches the last parts of the module's path. Experts and routers of mixtures are found by the names that
    they had before transformers 5 [peft: transformers_weight_conversion].
    """
    if linear.aliases is not None:
        if targets == "all-linear":
            return bool(linear.aliases)
        return bool(linear.aliases) and all(any(_matches(name, alias) for name in targets) for alias in linear.aliases)
    if targets == "all-linear":
        return linear.copies == 1 and linear.role not in {"head", "router"}
    return any(_matches(linear.path, name) for name in targets)


def adapter_rank(linear: Linear, targets: tuple[str, ...] | str, rank: int) -> int:
    """Return the rank of this matrix's adapter, 0 when it has none; fused gate and up projections get both ranks."""
    if not is_target(linear, targets):
        return 0
    return rank * len(linear.aliases) if linear.aliases else rank


def check_targets(architecture: Architecture, targets: tuple[str, ...] | str) -> None:
    """Refuse names that match no module of the model.

    Raises:
        EstimateError: for the first name that matches nothing, with the nearest names that would.
    """
    if targets == "all-linear":
        return
    names = {linear.name for linear, _ in architecture.matrices() if linear.aliases is None}
    for linear, _ in architecture.matrices():
        names.update(linear.aliases or ())
    for name in targets:
        if not any(_matches(linear.path, name) for linear, _ in architecture.matrices()) and name not in names:
            raise EstimateError(
                f"no module of this {architecture.model_type or 'model'} is named {name!r}.",
                field="targets",
                value=name,
                allowed=f"all-linear, {', '.join(sorted(names))}",
                near=near_names(name, names),
            )


def _matches(path: str, name: str) -> bool:
    return path == name or path.endswith(f".{name}")
