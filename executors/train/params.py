"""The parameters of training; a plan states every one of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from executors.contract import Params
from executors.train.spreading import SPREAD, refusals

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


Given = TypeVar("Given")

LOW_RANK = ("rank", "alpha", "rank_scaling", "dropout", "targets", "initialisation", "rate_ratio")
# Parameters that a method has beside those of every training: all of them, and no others, must be said.
OWN: dict[str, tuple[str, ...]] = {
    "full": (),
    "partial": ("layers_trained",),
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
STARTS: dict[str, tuple[str, ...]] = {
    "lora": ("zero-output", "pissa", "olora"),
    "dora": ("zero-output",),
    "longlora": ("zero-output",),
    "qlora": ("zero-output",),
    "relora": ("zero-output",),
    "prompt-tuning": ("sampled-vocabulary", "random"),
    "prefix-tuning": ("random", "zero-output"),
    "p-tuning": ("random",),
}
# Initialisations of peft that look at data first, which training does not gather: they would run without.
NEED_DATA = ("eva", "lora_ga", "lora-ga", "corda", "loftq")
# Methods that train weights of the model itself, and so leave a whole model.
IN_PLACE = frozenset({"full", "partial", "bitfit", "router", "qat", "galore", "relora"})
# Methods that train every weight.
EVERYTHING = frozenset({"full", "qat", "galore"})


# Distributions in which every device holds whole weights.
WHOLE = ("single", "ddp")


class TrainParams(Params):
    """How to train: objective, method, optimizer, batches, precision, checkpoints."""

    objective: Literal[
        "sft", "classification-head", "continued-pretraining", "infilling", "long-context", "distillation",
        "preference",
    ]  # fmt: skip
    """What is learned from the rows; see `executors.train.objectives`."""
    method: Literal[
        "full", "partial", "bitfit", "router", "qat", "galore", "lora", "dora", "longlora", "qlora", "relora", "ia3",
        "adapter", "prompt-tuning", "prefix-tuning", "p-tuning",
    ]  # fmt: skip
    rank: Count | None = None
    """Of low-rank adapters; of the projection of gradients with galore."""
    alpha: Annotated[float, Field(gt=0)] | None = None
    rank_scaling: Literal["classic", "rslora"] | None = None
    """Whether the output is scaled by alpha / rank, or by alpha / sqrt(rank)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    targets: Literal["all-linear"] | list[str] | None = None
    """`all-linear` (all but the output head), or the last parts of module names, such as `q_proj`."""
    initialisation: Literal["zero-output", "pissa", "olora", "sampled-vocabulary", "random"] | None = None
    """From which values that starts which the method adds."""
    rate_ratio: Annotated[float, Field(ge=1)] | None = None
    """Learning rate of the output side of a low-rank adapter over that of its input side; above 1 it is LoRA+."""
    base_quantization: Literal["nf4", "fp4", "int8"] | None = None
    """What the frozen weights are rounded to; of 4 bits the scales are rounded too."""
    rounding: Literal["int4", "int8-int4"] | None = None
    """To what the weights of linear layers are rounded at every pass: 4 bits, beside activations in 8 bits or not."""
    rounding_group: Annotated[int, Field(ge=16)] | None = None
    """Weights that share a scale while they are rounded; as the format has it that is served."""
    restarts: Count | None = None
    """How often, evenly spread over the steps, adapters are folded into the weights and begun anew."""
    layers_trained: Count | None = None
    """Blocks that are trained, counted from the last."""
    bottleneck: Count | None = None
    """Width of bottleneck adapters."""
    virtual_tokens: Count | None = None
    labels: Literal["found"] | Annotated[list[str], Field(min_length=2)] | None = None
    """What a head tells apart, in the order of its scores; `found` takes the labels of the training rows, sorted."""
    learn_turns: Literal["last", "all"] | None = None
    """Which answers of a conversation are learned; the others are read as its prompt is."""
    share_prefix: bool | None = None
    """Whether the tokens that all rows of a forward pass begin with are computed once."""
    held_out: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of the documents of raw text that validates where there is no input `validation`."""
    scaling: Literal["none", "linear", "dynamic", "yarn"] | None = None
    """How rotary positions are stretched beyond the context of the base."""
    scaling_factor: Annotated[float, Field(ge=1)] | None = None
    """How many times as far they reach."""
    fim_rate: Share | None = None
    """Share of whole texts that get a gap; the others are learned as they are. Rows with a gap keep it."""
    spm_rate: Share | None = None
    """Share of texts with a gap that are read suffix first, then prefix and middle; the others in prefix first."""
    preference_loss: Literal[
        "sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard",
        "apo_zero", "apo_down", "orpo", "kto", "apo_zero_unpaired",
    ] | None = None  # fmt: skip
    """By trl's names: `sigmoid` is DPO; `kto` and `apo_zero_unpaired` learn from single answers that were judged."""
    preference_beta: Annotated[float, Field(gt=0)] | None = None
    """How dear it is to leave the model that training starts from; of orpo, the weight of its odds ratio."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] | None = None
    """Share of comparisons that are held to be the wrong way round, by losses that doubt them."""
    desirable_weight: Annotated[float, Field(gt=0)] | None = None
    """Weight of good answers, by losses on single answers."""
    undesirable_weight: Annotated[float, Field(gt=0)] | None = None
    """Weight of bad answers, by losses on single answers."""
    distill_temperature: Annotated[float, Field(gt=0)] | None = None
    """Both models' logits are divided by it: above 1, what a teacher holds for unlikely counts for more."""
    hard_label_weight: Share | None = None
    """Weight of the rows' own tokens in distillation; the teacher's distribution has the rest."""
    divergence: Share | None = None
    """From 0, KL from teacher to student, to 1, the reverse; between them the generalized Jensen-Shannon one."""
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["linear", "cosine", "constant"]
    warmup_ratio: Share
    """Share of the optimizer steps over which the learning rate rises from 0."""
    epochs: Annotated[float, Field(gt=0)]
    micro_batch: Count
    """Rows in one forward pass."""
    accumulation: Count
    """Forward passes in one optimizer step, on each device; the effective batch is micro_batch x accumulation."""
    max_length: Annotated[int, Field(ge=2)]
    """Tokens of a sequence. Longer rows are dropped and counted, since cutting would cut the answer; raw text is cut
    into sequences of this length."""
    prompt_loss_weight: Share
    """Weight of the loss on prompt tokens, where that of answer tokens is 1."""
    gradient_checkpointing: bool
    optimizer: Literal["adamw", "adamw-8bit", "paged-adamw-8bit", "galore-adamw"]
    """The two with 8 bits keep their states in 8 bits; paged states move to the host when memory is short (CUDA)."""
    weight_decay: Annotated[float, Field(ge=0)]
    beta1: Annotated[float, Field(ge=0, lt=1)]
    beta2: Annotated[float, Field(ge=0, lt=1)]
    max_grad_norm: Annotated[float, Field(ge=0)]
    """Gradients are scaled down to this norm; 0 leaves them."""
    precision: Literal["fp32", "bf16", "fp16"]
    """What matrix products are computed in; what trains is fp32 itself, but for galore."""
    base_dtype: Literal["fp32", "bf16", "fp16"]
    """What frozen weights are stored in, what galore trains in, and what a whole model is written in."""
    attention: Literal["sdpa", "eager", "flash"]
    """The kernel; `flash` keeps rows apart by their lengths (CUDA), the others by a mask."""
    liger_kernel: Literal["never", "when-installed"]
    """Whether norms, rotary positions and gated layers are computed by Liger's kernels (CUDA)."""
    distribution: Literal["single", "ddp", "fsdp", "zero-2", "zero-3", "offload"]
    """How training is spread: every device has its rows (ddp), and a part of the weights too (fsdp, zero)."""
    devices: Count | None = None
    """Over all machines; the effective batch is micro_batch x accumulation x devices."""
    nodes: Count | None = None
    """Machines."""
    offload: Literal["none", "optimizer", "parameters"] | None = None
    """What waits in main memory: the states of the optimizer, or the weights as well."""
    packing: bool
    """Whether several rows share a sequence of max_length tokens, each as if it were alone."""
    length_grouped: bool
    """Whether rows of like length share a batch, which saves padding."""
    early_stopping_patience: Annotated[int, Field(ge=1)] | None
    """Evaluations without a lower validation loss after which training ends; null trains to the end."""
    evaluations_per_epoch: Annotated[int, Field(ge=0)]
    checkpoint_s: Annotated[float, Field(gt=0)]
    """Longest time between two checkpoints, in seconds."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]

    @field_validator("initialisation", mode="before")
    @classmethod
    def _without_data(cls, value: Any) -> Any:
        if value in NEED_DATA:
            raise ValueError(f"initialisation {value} needs data to begin with, which training does not gather")
        return value

    @model_validator(mode="after")
    def _agree(self) -> TrainParams:
        problem = next((sentence for wrong, sentence in self._rules() if wrong), None)
        if problem:
            raise ValueError(problem)
        return self

    def _rules(self) -> list[tuple[bool, str]]:
        method, own = self.method, (*OWN[self.method], *LEARNING[self.objective], *SPREAD[self.distribution])
        foreign = [name for name in ALL_OWN if name not in own and getattr(self, name) is not None]
        missing = [name for name in own if getattr(self, name) is None]
        start, changed = self.initialisation, self.initialisation in ("pissa", "olora")
        return [
            (bool(foreign), f"{self.objective} by {method} has no {', '.join(foreign)}"),
            (bool(missing), f"{self.objective} by {method} needs {', '.join(missing)}"),
            (
                start is not None and start not in STARTS.get(method, ()),
                f"method {method} cannot start from {start}, only from {' or '.join(STARTS.get(method, ()))}",
            ),
            (
                changed and self.base_dtype != "fp32",
                f"initialisation {start} changes the frozen weights, which needs base_dtype fp32 to be exact",
            ),
            (
                (method == "galore") != (self.optimizer == "galore-adamw"),
                f"method {method} does not go with optimizer {self.optimizer}: galore and galore-adamw need each other",
            ),
            (
                method == "relora" and self.distribution not in WHOLE,
                f"relora folds adapters into whole weights, which {self.distribution} has not: use single or ddp",
            ),
            (
                method == "qat" and self.distribution not in WHOLE,
                f"qat rounds whole weights, which {self.distribution} has not: use single or ddp",
            ),
            (
                method == "galore" and self.base_dtype == "fp16",
                "galore trains the weights in base_dtype, in which fp16 would overflow: use bf16 or fp32",
            ),
            (
                self.objective == "classification-head" and (method == "longlora" or "virtual_tokens" in own),
                f"method {method} leaves no head: train labels by lora, full or partial",
            ),
            (
                self.objective == "classification-head" and self.packing,
                "a head reads one row a sequence: set packing to false",
            ),
            (
                method == "prefix-tuning" and self.gradient_checkpointing,
                "prefix-tuning cannot recompute activations: set gradient_checkpointing to false",
            ),
            (
                self.attention == "flash" and "virtual_tokens" in own,
                f"attention flash reads rows in one line, and {method} begins each with virtual tokens: take sdpa",
            ),
            (
                self.attention == "flash" and self.objective in ("preference", "classification-head"),
                f"objective {self.objective} reads rows side by side: set attention to sdpa",
            ),
            (
                self.attention == "flash" and self.precision == "fp32",
                "attention flash computes in 16 bits: set precision to bf16, or attention to sdpa",
            ),
            (
                self.packing and "virtual_tokens" in own,
                f"{method} puts virtual tokens before a sequence, not before each row in it: set packing to false",
            ),
            *self._sharing_rules(),
            (
                (self.rate_ratio or 1.0) > 1 and self.optimizer == "paged-adamw-8bit",
                "a rate_ratio above 1 goes with optimizer adamw or adamw-8bit",
            ),
            *self._preference_rules(),
            *refusals(self),
            (
                self.precision == "fp32" and self.base_dtype != "fp32",
                f"precision fp32 needs base_dtype fp32, which is {self.base_dtype}",
            ),
            (
                self.early_stopping_patience is not None and self.evaluations_per_epoch == 0,
                "early_stopping_patience needs evaluations_per_epoch of 1 or more",
            ),
        ]

    def _sharing_rules(self) -> list[tuple[bool, str]]:
        shares, fix = bool(self.share_prefix), "set share_prefix to false"
        return [
            (shares and self.packing, f"packed rows stand behind each other whole: {fix}"),
            (shares and self.attention == "flash", f"attention flash reads whole rows: {fix}, or attention to sdpa"),
            (
                shares and "virtual_tokens" in OWN[self.method],
                f"{self.method} begins each row with virtual tokens, which rows in one sequence would not have: {fix}",
            ),
        ]

    def _preference_rules(self) -> list[tuple[bool, str]]:
        loss, smoothing = self.preference_loss, self.label_smoothing or 0.0
        weights = {self.desirable_weight, self.undesirable_weight} - {None, 1.0}
        preference = self.objective == "preference"
        return [
            (
                bool(smoothing) and loss not in DOUBTING,
                f"preference_loss {loss} takes no label as wrong: set label_smoothing to 0, or take robust",
            ),
            (loss == "exo_pair" and not smoothing, "preference_loss exo_pair needs a label_smoothing above 0"),
            (
                bool(weights) and loss not in SINGLE_ANSWERS,
                f"preference_loss {loss} sees both answers at once: set desirable_weight and undesirable_weight to 1",
            ),
            (
                preference and self.prompt_loss_weight != 0,
                "comparisons are learned from answers alone: set prompt_loss_weight to 0",
            ),
            (preference and self.packing, "comparisons are read side by side: set packing to false"),
        ]


ALL_OWN = tuple(
    dict.fromkeys(name for names in (*OWN.values(), *LEARNING.values(), *SPREAD.values()) for name in names)
)


def output_of(method: str) -> str:
    """What a training by a method leaves: a whole model, or an adapter beside the base."""
    return "model" if method in IN_PLACE else "adapter"


def given(value: Given | None) -> Given:
    """A parameter that the method is known to have, since the parameters were checked.

    Raises:
        ValueError: it has not.
    """
    if value is None:
        raise ValueError("a parameter of another method was asked for")
    return value
