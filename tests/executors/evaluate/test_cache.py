"""A cache in fewer bits: what it keeps, what it takes, and how near its answers are to those of 16 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest

from executors.evaluate.generation import Generation, generate
from executors.quantized import KvCache
from planner.documents import InputError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
SMALL: tuple[KvCache, ...] = ("fp8", "int8", "int4")
# Bytes of a head of 64 values: the numbers, then what each scale and zero point adds.
HEAD_BYTES = {"16-bit": 128, "fp8": 64, "int8": 64 + 4, "int4": 32 + 2 * (4 + 1)}


def columns(kept: KvCache, like: Any, room: int = 12) -> Any:
    from executors.evaluate.cache import Columns
    from executors.evaluate.cache_format import FORMATS

    return Columns(like.shape[0], room, FORMATS[kept], like)


@pytest.mark.parametrize("kept", get_args(KvCache))
def test_values_come_back_as_near_as_their_bits_allow(kept: KvCache) -> None:
    import torch

    torch.manual_seed(0)
    values = torch.randn(2, 3, 5, 64)
    # As keys have: one value of a head far above the others.
    values[..., 7] *= 20
    room = columns(kept, values)
    room.write(slice(None), 0, values)
    found = room.read(5)
    groups = values.unflatten(-1, (2, 32))
    spread = (groups.amax(-1).clamp(min=0) - groups.amin(-1).clamp(max=0)).repeat_interleave(32, dim=-1)
    bound = {
        "16-bit": torch.zeros(()),
        "fp8": values.abs() / 16 + 1e-3,
        "int8": values.abs().amax(-1, keepdim=True) / 127 / 2 + 1e-6,
        "int4": spread / 15 + 1e-6,
    }[kept]
    assert found.dtype == values.dtype
    assert ((found - values).abs() <= bound).all()
    half = columns(kept, values.bfloat16())
    assert half.nbytes == 2 * 3 * 12 * HEAD_BYTES[kept]


@pytest.mark.parametrize("kept", SMALL)
def test_a_column_is_kept_whatever_stands_beside_it(kept: KvCache) -> None:
    """Written one by one, moved, and with rows gone, it reads as when all are written at once."""
    import torch

    torch.manual_seed(0)
    values = torch.randn(3, 2, 6, 32)
    whole, single = columns(kept, values), columns(kept, values)
    whole.write(slice(None), 0, values)
    for at in range(6):
        single.write(slice(None), at, values[:, :, at : at + 1])
    assert torch.equal(single.read(6), whole.read(6))
    wanted = torch.cat([whole.read(6)[:, :, :2], whole.read(6)[:, :, 4:]], dim=2)
    single.move(2, 6, 2)
    single.select(torch.tensor([2, 0]))
    assert torch.equal(single.read(4), wanted[[2, 0]])


@pytest.mark.parametrize("kept", SMALL)
def test_the_next_token_is_read_from_rounded_columns(tiny_model: Path, kept: KvCache) -> None:
    """Near to what 16 bits say, and not the same: what was computed before is read as it was kept."""
    import torch
    from transformers import DynamicCache

    from executors.evaluate.cache import roomy
    from executors.models import load_model

    model = load_model(tiny_model, "fp32", device="cpu")
    torch.manual_seed(1)
    for weight in model.model.layers.parameters():
        weight.data = torch.randn_like(weight) * 0.2
    ids, found = torch.arange(20, 60)[None], []
    for cache in (DynamicCache(config=model.config), roomy(model, 1, 41, kept)):
        with torch.inference_mode():
            first = model(input_ids=ids, past_key_values=cache).logits
            found.append((first, model(input_ids=torch.tensor([[7]]), past_key_values=cache).logits.softmax(-1)))
        assert cache.get_seq_length() == 41
    (first, wanted), (rounded_first, given) = found
    assert torch.equal(first, rounded_first), "a prompt reads itself as it comes"
    assert 0 < float((wanted - given).abs().sum()) < {"fp8": 0.4, "int8": 0.1, "int4": 1}[kept]


@pytest.mark.parametrize("kept", SMALL)
def test_prompts_take_each_others_place_in_a_rounded_cache(tiny_model: Path, kept: KvCache) -> None:
    from executors.models import load_model

    model = load_model(tiny_model, "fp32", device="cpu")
    prompts = [[*range(10, 20), *range(30, 31 + number % 7)] for number in range(17)]
    how = Generation(max_new_tokens=6, batch_size=2, stop_ids=frozenset({46}), pad_id=0, kv_cache=kept)
    made = {index: answer for group in generate(model, prompts, how) for index, answer in group.items()}
    assert sorted(made) == list(range(17))
    assert all(made[index] == made[index + 7] for index in range(10)), "equal prompts, in other places"


def test_a_window_that_slides_is_not_kept_in_fewer_bits() -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = AutoConfig.for_model("mistral", vocab_size=30, num_key_value_heads=1, sliding_window=8, **sizes)
    model = AutoModelForCausalLM.from_config(config).eval()
    how = Generation(max_new_tokens=2, batch_size=1, stop_ids=frozenset(), pad_id=0, kv_cache="int8")
    with pytest.raises(InputError, match="windows that slide"):
        list(generate(model, [[1, 2, 3]], how))
