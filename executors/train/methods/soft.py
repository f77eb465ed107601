"""Soft prompts: virtual tokens, or virtual keys and values, before what the model reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.train.methods.applied import Applied, with_peft
from executors.train.params import given

if TYPE_CHECKING:
    from executors.train.params import TrainParams


def prompt_tuning(model: Any, params: TrainParams) -> Applied:
    """Embeddings of virtual tokens [lester-2021-prompt-tuning]: tokens x hidden."""
    from peft import PromptTuningConfig

    tokens = given(params.virtual_tokens)
    sampled = params.initialisation == "sampled-vocabulary"
    config = PromptTuningConfig(
        task_type="CAUSAL_LM",
        num_virtual_tokens=tokens,
        prompt_tuning_init="SAMPLE_VOCAB" if sampled else "RANDOM",
    )
    return Applied(with_peft(model, config), tokens * _hidden(model), prepended=tokens)


def p_tuning(model: Any, params: TrainParams) -> Applied:
    """Virtual tokens that an encoder of three layers writes [liu-2021-p-tuning]; it is not needed afterwards."""
    from peft import PromptEncoderConfig

    tokens, hidden = given(params.virtual_tokens), _hidden(model)
    config = PromptEncoderConfig(task_type="CAUSAL_LM", num_virtual_tokens=tokens, encoder_hidden_size=hidden)
    return Applied(with_peft(model, config), tokens * hidden + 3 * (hidden * hidden + hidden), prepended=tokens)


def prefix_tuning(model: Any, params: TrainParams) -> Applied:
    """Keys and values of virtual tokens in every layer [li-2021-prefix-tuning]; the input is not made longer."""
    from peft import PrefixTuningConfig

    tokens = given(params.virtual_tokens)
    text = model.config.get_text_config(decoder=True)
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    config = PrefixTuningConfig(
        task_type="CAUSAL_LM",
        num_virtual_tokens=tokens,
        init_weights="zero" if params.initialisation == "zero-output" else None,
    )
    return Applied(with_peft(model, config), tokens * text.num_hidden_layers * 2 * heads * width)


def _hidden(model: Any) -> int:
    return int(model.get_input_embeddings().weight.shape[1])
