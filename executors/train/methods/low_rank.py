"""Low-rank adapters beside linear layers, with the variants that peft offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.bottleneck import inputs_of, outputs_of
from executors.train.belonging import SUBTRACTED
from executors.train.methods.applied import Applied, is_named, linear_layers, new_tokens, with_peft
from executors.train.params import given
from planner.documents import Finding, InputError, near

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.train.params import TrainParams

# The words of peft. Two start from the main directions of the weights and subtract them from these.
STARTS = {
    "zero-output": True, "gaussian": "gaussian", "orthogonal": "orthogonal", "pissa": "pissa", "olora": "olora",
    "eva": "eva", "mica": "mica",
}  # fmt: skip


def low_rank(model: Any, params: TrainParams) -> Applied:
    """Rank x (inputs + outputs) parameters a layer; with DoRA a magnitude for each output as well.

    Raises:
        InputError: a target is not in the model, or the rank is above a matrix.
    """
    from peft import EvaConfig, LoraConfig
    from peft.tuners.trainable_tokens import TrainableTokensLayer

    rank, targets = given(params.rank), given(params.targets)
    layers = linear_layers(model)
    chosen = layers if targets == "all-linear" else {name: at for name, at in layers.items() if is_named(name, targets)}
    findings = [] if targets == "all-linear" else [_missing(target, layers) for target in _absent(targets, layers)]
    findings += too_wide(rank, chosen)
    if findings:
        raise InputError(findings)
    start, new = given(params.initialisation), new_tokens(model)
    more = beside(model) if params.method == "longlora" else []
    beside_it = [module for name, module in model.named_modules() if is_named(name, more)]
    whole = sum(weight.numel() for module in beside_it for weight in module.parameters(recurse=False))
    adapted = with_peft(
        model,
        LoraConfig(
            task_type="CAUSAL_LM",
            r=rank,
            lora_alpha=given(params.alpha),
            use_rslora=params.rank_scaling == "rslora",
            use_dora=params.method == "dora",
            lora_dropout=given(params.dropout),
            init_lora_weights=STARTS[start],
            # Every layer keeps the rank that was planned.
            eva_config=EvaConfig(rho=1.0) if start == "eva" else None,
            target_modules=targets,
            bias="none",
            modules_to_save=more or None,
            ensure_weight_tying=bool(more),
            trainable_token_indices={embeddings_name(model): new} if new else None,
        ),
    )
    for layer in adapted.modules():
        if isinstance(layer, TrainableTokensLayer):
            # Peft asks every layer whether it casts its input, which this one never says.
            layer.cast_input_dtype_enabled = True
    each = params.method == "dora"
    # MiCA keeps the output side as it begins.
    both = start != "mica"
    values = sum(
        rank * (inputs_of(layer) + both * outputs_of(layer)) + each * outputs_of(layer) for layer in chosen.values()
    )
    values += whole
    values += len(new) * model.get_input_embeddings().weight.shape[1]
    began = None
    if start in SUBTRACTED:
        began = {name: at.detach().clone() for name, at in adapted.named_parameters() if at.requires_grad}
    return Applied(adapted, values, start=began)


def beside(model: Any) -> list[str]:
    """Names of the norms and the input embeddings, which LongLoRA trains whole [chen-2023-longlora]."""
    norms = {
        name.rpartition(".")[2] for name, module in model.named_modules() if type(module).__name__.endswith("Norm")
    }
    return sorted({*norms, embeddings_name(model)})


def embeddings_name(model: Any) -> str:
    """The last part of the name of the input embeddings."""
    table = model.get_input_embeddings()
    names: list[str] = [name for name, module in model.named_modules() if module is table]
    return names[0].rpartition(".")[2]


def too_wide(rank: int, layers: dict[str, Any]) -> list[Finding]:
    """A finding when a rank is above the smaller side of a matrix."""
    narrow = {name: min(inputs_of(layer), outputs_of(layer)) for name, layer in layers.items()}
    if not narrow or rank <= min(narrow.values()):
        return []
    name = min(narrow, key=lambda key: (narrow[key], key))
    message = f"Rank {rank} is above the smaller side, {narrow[name]}, of {name}."
    fix = f"Use a rank of at most {narrow[name]}."
    return [Finding(code="TRAIN011", severity="error", message=message, fix=fix)]


def _absent(targets: Sequence[str], layers: dict[str, Any]) -> list[str]:
    return [target for target in targets if not any(is_named(name, [target]) for name in layers)]


def _missing(target: str, layers: dict[str, Any]) -> Finding:
    names = sorted({name.rpartition(".")[2] for name in layers})
    return Finding(
        code="TRAIN010",
        severity="error",
        message=f"The model has no linear layer {target}.",
        fix=near(target, names) or f"It has {', '.join(names)}.",
    )
