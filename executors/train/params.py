"""The parameters of training; a plan states every one of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from executors.contract import Params
from executors.train.agreement import disagreements
from executors.train.belonging import NEED_MORE

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


Given = TypeVar("Given")


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
    initialisation: Literal[
        "zero-output", "gaussian", "orthogonal", "pissa", "olora", "eva", "mica", "sampled-vocabulary", "random",
    ] | None = None  # fmt: skip
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
    modules_trained: Literal["all"] | Annotated[list[str], Field(min_length=1)] | None = None
    """What of these blocks is trained: everything, or modules by the last parts of their names, such as `self_attn`."""
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
    compile: Literal["off", "trial"]
    """With `trial` the layers that a model repeats are compiled before the first step, timed against themselves as they
    are, and used so where that spares more time than it took."""
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
    def _without_more(cls, value: Any) -> Any:
        if value in NEED_MORE:
            raise ValueError(f"initialisation {value} needs more to begin with than training gathers, as eva does")
        return value

    @model_validator(mode="after")
    def _agree(self) -> TrainParams:
        problem = next((sentence for wrong, sentence in disagreements(self) if wrong), None)
        if problem:
            raise ValueError(problem)
        return self


def given(value: Given | None) -> Given:
    """A parameter that the method is known to have, since the parameters were checked.

    Raises:
        ValueError: it has not.
    """
    if value is None:
        raise ValueError("a parameter of another method was asked for")
    return value
