"""Which parameters belong to which methods, objectives and ways of spreading, and what methods train and leave."""

from __future__ import annotations

from executors.train.spreading import SPREAD

LOW_RANK = ("rank", "alpha", "rank_scaling", "dropout", "targets", "initialisation", "rate_ratio")
# Parameters that a method has beside those of every training: all of them, and no others, must be said.
OWN: dict[str, tuple[str, ...]] = {
    "full": (),
    "partial": ("layers_trained", "modules_trained"),
    "bitfit": (),
    "router": (),
    "qat": ("rounding", "rounding_group"),
    "galore": ("rank",),
    "lora": LOW_RANK,
    "dora": LOW_RANK,
    "longlora": LOW_RANK,
    "qlora": (*LOW_RANK, "base_quantization"),
    "relora": (*LOW_RANK, "restarts"),
    "ia3": (),
    "adapter": ("bottleneck",),
    "prompt-tuning": ("virtual_tokens", "initialisation"),
    "prefix-tuning": ("virtual_tokens", "initialisation"),
    "p-tuning": ("virtual_tokens", "initialisation"),
}
# Parameters that an objective has beside those of its method, in the same way.
LEARNING: dict[str, tuple[str, ...]] = {
    "sft": ("learn_turns", "share_prefix"),
    "classification-head": ("labels",),
    "continued-pretraining": ("held_out",),
    "long-context": ("learn_turns", "share_prefix", "scaling", "scaling_factor"),
    "infilling": ("held_out", "fim_rate", "spm_rate"),
    "distillation": ("learn_turns", "share_prefix", "distill_temperature", "hard_label_weight", "divergence"),
    "preference": ("preference_loss", "preference_beta", "label_smoothing", "desirable_weight", "undesirable_weight"),
}
# Losses of preference training that judge single answers; all others compare two.
SINGLE_ANSWERS = ("kto", "apo_zero_unpaired")
# Of those that compare two: they doubt the label by its smoothing.
DOUBTING = ("exo_pair", "robust")
# Starts that are taken off the frozen weights.
SUBTRACTED = ("pissa", "olora")
STARTS: dict[str, tuple[str, ...]] = {
    "lora": ("zero-output", "gaussian", "orthogonal", "eva", "mica", *SUBTRACTED),
    "dora": ("zero-output",),
    "longlora": ("zero-output",),
    "qlora": ("zero-output", "gaussian", "eva"),
    "relora": ("zero-output",),
    "prompt-tuning": ("sampled-vocabulary", "random"),
    "prefix-tuning": ("random", "zero-output"),
    "p-tuning": ("random",),
}
# Initialisations of peft that look at gradients, covariances or a device first: they would run without.
NEED_MORE = ("lora_ga", "lora-ga", "corda", "loftq")
# Methods that train weights of the model itself, and so leave a whole model.
IN_PLACE = frozenset({"full", "partial", "bitfit", "router", "qat", "galore", "relora"})
# Methods that train every weight.
EVERYTHING = frozenset({"full", "qat", "galore"})
# Distributions in which every device holds whole weights.
WHOLE = ("single", "ddp")
ALL_OWN = tuple(
    dict.fromkeys(name for names in (*OWN.values(), *LEARNING.values(), *SPREAD.values()) for name in names)
)


def output_of(method: str) -> str:
    """What a training by a method leaves: a whole model, or an adapter beside the base."""
    return "model" if method in IN_PLACE else "adapter"
