"""Several rows in one sequence, each as if it were alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.train.examples import Example, Examples
from planner.documents import RunError

if TYPE_CHECKING:
    from executors.train.loss import HeadRows

# Difference between the logits of a row alone and after another, over those alone, by their norms: 0.01 is the rounding
# of bf16; a row that is seen changed a third and more.
ROUNDING = 0.1
PROBE_TOKENS = 12


def pack(examples: Examples, max_length: int) -> Examples:
    """Put rows into as few sequences of `max_length` tokens as best-fit decreasing finds [krell-2021-packing].

    The same rows give the same sequences.
    """
    from datasets import Dataset
    from trl import pack_dataset

    columns = {"ids": [each.ids for each in examples.kept], "labels": [each.labels for each in examples.kept]}
    # All at once: rows of different batches of the map would never share a sequence.
    once = {"batch_size": len(examples.kept), "load_from_cache_file": False, "keep_in_memory": True}
    packed = pack_dataset(Dataset.from_dict(columns), max_length, strategy="bfd", map_kwargs=once)
    kept = [
        Example(f"sequence-{number}", row["ids"], row["labels"], tuple(row["seq_lengths"]))
        for number, row in enumerate(packed, 1)
    ]
    return Examples(tuple(kept), examples.too_long)


def check_apart(model: Any, head: HeadRows) -> None:
    """Rows of a sequence must not see each other in this architecture, whatever the library promises.

    Raises:
        RunError: a row has other logits behind another row than alone.
    """
    import torch

    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = torch.arange(PROBE_TOKENS, device=model.device)[None] % vocabulary
    half = PROBE_TOKENS // 2
    places = torch.arange(half, device=model.device)[None]
    wanted = torch.arange(half, PROBE_TOKENS, device=model.device)
    training = model.training
    model.eval()
    with torch.no_grad():
        behind = head.logits(model, ids, wanted, torch.cat([places, places], 1))
        alone = head.logits(model, ids[:, half:], wanted - half, places)
    model.train(training)
    difference = float((behind.float() - alone.float()).norm() / alone.float().norm())
    if not difference <= ROUNDING:
        message = f"Rows that share a sequence see each other in this model: its logits change by {difference:.0%}."
        raise RunError.one("TRAIN017", message, "Set packing to false.")
