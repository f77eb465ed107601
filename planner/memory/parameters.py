"""How many values train under each method: equal to peft's own count, tensor by tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planner.memory.errors import EstimateError, near_names
from planner.memory.regime import ALL_WEIGHTS, LOW_RANK
from planner.memory.targets import adapter_rank, check_targets, is_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.memory.architecture import Architecture
    from planner.memory.setting import TrainingSetting


class Tensors(NamedTuple):
    """Equal trainable tensors: `values` values each in `rows` rows (1 for a vector), `times` of them."""

    values: int
    times: int
    rows: int = 1


#: What peft's IA3 rescales when no targets are given, by model type [peft-0.21: utils/constants.py].
_IA3_DEFAULTS: dict[str, tuple[str, ...]] = {
    "opt": ("q_proj", "k_proj", "fc2"),
    "mixtral": ("k_proj", "v_proj", "w2"),
    **dict.fromkeys(("llama", "mistral"), ("k_proj", "v_proj", "down_proj")),
    **dict.fromkeys(("gemma", "gemma2", "gemma3_text", "qwen2", "qwen3"), ("q_proj", "v_proj", "down_proj")),
    **dict.fromkeys(("gpt2", "gpt_bigcode"), ("c_attn", "mlp.c_proj")),
    **dict.fromkeys(("bloom", "gpt_neox", "falcon"), ("query_key_value", "dense_4h_to_h")),
    **dict.fromkeys(("bert", "roberta"), ("key", "value", "output.dense")),
    "gptj": ("q_proj", "v_proj", "fc_out"),
    "gpt_neo": ("q_proj", "v_proj", "c_proj"),
    "phi": ("q_proj", "v_proj", "fc2"),
}


def total_parameters(architecture: Architecture) -> int:
    """Return the values in the base model, shared ones once."""
    return architecture.parameters


def trainable_parameters(architecture: Architecture, setting: TrainingSetting) -> int:
    """Return how many values train under the setting's method.

    Raises:
        EstimateError: when a target names no module of the model.
    """
    if setting.method in ALL_WEIGHTS:
        return architecture.parameters
    return sum(part.values * part.times for part in trainable_tensors(architecture, setting))


def trainable_tensors(architecture: Architecture, setting: TrainingSetting) -> list[Tensors]:
    """List everything that trains.

    Raises:
        EstimateError: when a target names no module of the model.
    """
    if setting.method in ALL_WEIGHTS:
        return all_tensors(architecture)
    kind = "lora" if setting.method in LOW_RANK else setting.method
    return _METHODS[kind](architecture, setting) + _saved_modules(architecture, setting)


def all_tensors(architecture: Architecture) -> list[Tensors]:
    """List every parameter of the model, shared ones once."""
    if architecture.declared_parameters is not None:
        return [Tensors(architecture.declared_parameters // 100, 100)]
    tensors: list[Tensors] = []
    for linear, count in architecture.matrices():
        if not (linear.role == "head" and architecture.tied):
            tensors.append(Tensors(linear.weights, count, linear.outputs))
        if linear.bias:
            tensors.append(Tensors(linear.outputs * linear.copies, count))
    for block in architecture.blocks:
        tensors += [Tensors(m.parameters, block.count) for m in block.small_modules if m.parameters]
    return tensors + [Tensors(m.parameters, 1) for m in architecture.small_modules if m.parameters]


def _lora(architecture: Architecture, setting: TrainingSetting) -> list[Tensors]:
    check_targets(architecture, setting.targets)
    tensors: list[Tensors] = []
    for linear, count in architecture.matrices():
        rank = adapter_rank(linear, setting.targets, setting.rank) * linear.copies
        if rank:
            tensors += [
                Tensors(rank * linear.inputs, count, rank),
                Tensors(rank * linear.outputs, count, linear.outputs),
            ]
            if setting.method == "dora":
                tensors.append(Tensors(linear.outputs, count))
    if setting.targets != "all-linear":
        for table in architecture.embeddings:
            if any(table.path.endswith(f".{name}") for name in setting.targets):
                tensors += [
                    Tensors(setting.rank * table.rows, 1, setting.rank),
                    Tensors(setting.rank * table.width, 1, table.width),
                ]
    return tensors


def _ia3(architecture: Architecture, setting: TrainingSetting) -> list[Tensors]:
    """One scale an output, or an input for the last product of the feed-forward [ia3-2022]."""
    targets = setting.targets
    if targets == "all-linear":
        targets = _IA3_DEFAULTS.get(architecture.model_type, ("k_proj", "v_proj", "down_proj"))
    else:
        check_targets(architecture, targets)
    return [
        Tensors(linear.inputs if linear.role == "down" else linear.outputs, count)
        for linear, count in architecture.matrices()
        if linear.copies == 1 and is_target(linear, targets)
    ]


def _prompt(architecture: Architecture, setting: TrainingSetting) -> list[Tensors]:
    return [Tensors(setting.virtual_tokens * architecture.hidden, 1, setting.virtual_tokens)]


def _prefix(architecture: Architecture, setting: TrainingSetting) -> list[Tensors]:
    """Keys and values of each virtual token in every layer [prefix-tuning-2021]."""
    widths = 0
    for block in architecture.blocks:
        attention = block.attention
        # peft sizes keys of latent attention by the config's head_dim, which is that of its rotary part.
        key = attention.kv_heads * attention.rope_dim if attention.latent else attention.key_width
        widths += 2 * block.count * key
    return [Tensors(setting.virtual_tokens * widths, 1, setting.virtual_tokens)]


def _p_tuning(architecture: Architecture, setting: TrainingSetting) -> list[Tensors]:
    """Virtual tokens and the three-layer encoder that writes them [p-tuning-2021]."""
    hidden = architecture.hidden
    return [*_prompt(architecture, setting), Tensors(hidden * hidden, 3, hidden), Tensors(hidden, 3)]


def _bitfit(architecture: Architecture, _setting: TrainingSetting) -> list[Tensors]:
    """Every bias of products and norms [bitfit-2022]."""
    tensors = [Tensors(m.outputs * m.copies, count) for m, count in architecture.matrices() if m.bias]
    for block in architecture.blocks:
        tensors += [Tensors(norm.width, block.count) for norm in block.norms if norm.bias]
    tensors += [Tensors(norm.width, 1) for norm in architecture.norms if norm.bias]
    tensors += [Tensors(bare.parameters, 1) for bare in architecture.tensors if bare.path.endswith("bias")]
    if not tensors:
        raise EstimateError(
            f"this {architecture.model_type} model has no biases, so BitFit trains nothing.",
            field="method",
            value="bitfit",
            allowed="a model with biases, or lora, ia3",
        )
    return tensors


def _router(architecture: Architecture, _setting: TrainingSetting) -> list[Tensors]:
    """What chooses the experts of each token [komatsuzaki-2022-sparse-upcycling]."""
    tensors = [Tensors(m.weights, count, m.outputs) for m, count in architecture.matrices() if m.role == "router"]
    if not tensors:
        raise EstimateError(
            f"this {architecture.model_type} model is no mixture of experts and has no router.",
            field="method",
            value="router",
            allowed="a mixture of experts",
        )
    return tensors


def _adapter(architecture: Architecture, setting: TrainingSetting) -> list[Tensors]:
    """Two bottlenecks a layer, each down and up with biases [houlsby-2019]."""
    hidden, width, times = architecture.hidden, setting.bottleneck, 2 * architecture.layers
    return [Tensors(hidden * width, 2 * times, width), Tensors(width, times), Tensors(hidden, times)]


def _partial(architecture: Architecture, setting: TrainingSetting) -> list[Tensors]:
    """All values of the last layers."""
    if setting.layers_trained > architecture.layers:
        raise EstimateError(
            f"layers_trained {setting.layers_trained} exceeds the model's {architecture.layers} layers.",
            field="layers_trained",
            value=setting.layers_trained,
            allowed=f"0 to {architecture.layers}",
        )
    first = architecture.layers - setting.layers_trained
    tensors: list[Tensors] = []
    for block in architecture.blocks:
        count = sum(index >= first for index in block.indices)
        if count:
            tensors += [Tensors(m.weights, count, m.outputs) for m in block.linears]
            tensors += [Tensors(m.outputs * m.copies, count) for m in block.linears if m.bias]
            tensors += [Tensors(m.parameters, count) for m in block.small_modules if m.parameters]
    return tensors


def _probe(architecture: Architecture, setting: TrainingSetting) -> list[Tensors]:
    return [Tensors(architecture.hidden * setting.labels, 1, setting.labels), Tensors(setting.labels, 1)]


_METHODS: dict[str, Callable[[Architecture, TrainingSetting], list[Tensors]]] = {
    "lora": _lora,
    "ia3": _ia3,
    "prompt-tuning": _prompt,
    "prefix-tuning": _prefix,
    "p-tuning": _p_tuning,
    "bitfit": _bitfit,
    "router": _router,
    "adapter": _adapter,
    "partial": _partial,
    "linear-probe": _probe,
}


def _saved_modules(architecture: Architecture, setting: TrainingSetting) -> list[Tensors]:
    """Full copies of modules trained beside an adapter, matched by the end of their path as peft does."""
    if not setting.modules_to_save:
        return []
    candidates = [(m.path, Tensors(m.parameters, count, m.outputs)) for m, count in architecture.matrices()]
    for block in architecture.blocks:
        candidates += [(norm.path, Tensors(norm.parameters, block.count)) for norm in block.norms]
    candidates += [(norm.path, Tensors(norm.parameters, 1)) for norm in architecture.norms]
    candidates += [(bare.path.removesuffix(".bias"), Tensors(bare.parameters, 1)) for bare in architecture.tensors]
    candidates += [(table.path, Tensors(table.parameters, 1, table.rows)) for table in architecture.embeddings]
    for name in setting.modules_to_save:
        if not any(path.endswith(name) for path, _ in candidates):
            names = {path.rpartition(".")[2] for path, _ in candidates}
            raise EstimateError(
                f"no module of this {architecture.model_type} model is named {name!r}.",
                field="modules_to_save",
                value=name,
                allowed=", ".join(sorted(names)),
                near=near_names(name, names),
            )
    return [part for path, part in candidates if path.endswith(setting.modules_to_save)]
