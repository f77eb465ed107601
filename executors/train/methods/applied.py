"""A model made ready to be trained by a method, and the layers that methods choose from."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executors.bottleneck import is_within

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Applied:
    """A model of which exactly that may train which the method promises."""

    model: Any
    trainable: int
    """Parameters that must be trainable, by the arithmetic of the method."""
    prepended: int = 0
    """Virtual tokens that the model puts before its input."""
    start: Any = None
    """Tensors of the adapter as it began, by name, where the method changed the frozen weights by them."""


def with_peft(model: Any, config: Any) -> Any:
    """The model with what peft adds, in training mode."""
    from peft import get_peft_model

    if fresh := fresh_modules(model):
        config.task_type = "SEQ_CLS"
        config.modules_to_save = [*fresh]

    with warnings.catch_warnings():
        # peft asks transformers by a name that is on its way out.
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)
        # What begins by inputs takes the room of adapters for them; that it could do without is said each time.
        warnings.filterwarnings("ignore", message="lora with eva initialization", category=UserWarning)
        return get_peft_model(model, config)


def only(model: Any, trained: Iterable[Any]) -> int:
    """Let these parameters train and nothing else; returns how many values they hold."""
    chosen = {id(parameter): parameter for parameter in trained}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in chosen)
    return sum(parameter.numel() for parameter in chosen.values())


def fresh_modules(model: Any) -> tuple[str, ...]:
    """Modules that begin at random and train whole whatever the method, such as the head of a classifier."""
    return getattr(model, "fresh_modules", ())


def linear_layers(model: Any) -> dict[str, Any]:
    """All linear layers but the output head and what begins at random, by name."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head, fresh = model.get_output_embeddings(), fresh_modules(model)
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not head and not is_within(name, fresh)
    }


def is_named(name: str, targets: Iterable[str]) -> bool:
    """Whether a module has one of these names, or a path that ends in one."""
    return any(name == target or name.endswith(f".{target}") for target in targets)


# Under which a model remembers the tokens that it was given.
NEW = "adapt_new_tokens"


def mark_new(model: Any, tokens: list[int]) -> None:
    """Give a model tokens that it has not seen: each begins as the mean of all others; see `new_tokens`."""
    import torch

    table = model.get_input_embeddings()
    known = min(*tokens, table.num_embeddings)
    if max(tokens) >= table.num_embeddings:
        model.resize_token_embeddings(max(tokens) + 1, mean_resizing=False)
    with torch.no_grad():
        for layer in {
            id(each): each for each in (model.get_input_embeddings(), model.get_output_embeddings())
        }.values():
            layer.weight[tokens] = layer.weight[:known].float().mean(0).to(layer.weight.dtype)
    setattr(model, NEW, tokens)


def new_tokens(model: Any) -> list[int]:
    """Tokens that a model was given, whose embeddings must be learned."""
    tokens: list[int] = getattr(model, NEW, [])
    return tokens
