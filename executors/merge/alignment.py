"""Units of one model brought into the order of another by weight matching [ainsworth-2022-git-rebasin].

Two trainings put the same feature into different places. Every step finds the order of one kind of units (the residual
stream, the heads or the hidden units of a layer) that brings most of the weights together while all others stay; the
sum of products of the weights never falls, and the search ends when no order changes any more.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from executors.files import disk_full, disk_guard, free_bytes, remove
from executors.merge.quiet import quiet
from executors.merge.sources import tensors
from executors.merge.symmetries import RESIDUAL, axes_of, shape_of
from executors.progress import tell
from planner.documents import JsonValue, RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from executors.contract import Job
    from executors.merge.sources import Tensor

# Rounds over all kinds of units; most searches end after three to five.
ROUNDS = 50
SHARD_BYTES = 200_000_000
FIRST = "source-0"


def align_all(job: Job, folders: Mapping[str, Path]) -> tuple[dict[str, Path], dict[str, JsonValue]]:
    """Copies of all sources but the first, their units in its order, in the checkpoints; and what was found.

    Raises:
        InputError: the models are not of llama's kind.
        RunError: the disk is too small for the copies.
    """
    aligned, notes = dict(folders), dict[str, JsonValue]()
    remove(job.checkpoints / "aligned")
    for name in [name for name in folders if name.startswith("source-") and name != FIRST]:
        tell(job, f"matching the units of {name} to those of {FIRST}", 1, 4)
        matching = Matching(folders[FIRST], folders[name])
        before = matching.closeness()
        rounds = matching.search()
        aligned[name] = job.checkpoints / "aligned" / name
        matching.write(aligned[name])
        moved = {kind: round(share, 4) for kind, share in matching.moved().items()}
        near: dict[str, JsonValue] = {"cosine_before": before, "cosine_after": matching.closeness(), "rounds": rounds}
        notes[name] = near | {"moved": dict[str, JsonValue](moved)}
    return aligned, {"alignment": notes}


class Matching:
    """Where each unit of `other` goes so that it comes to the place of its like in `reference`."""

    def __init__(self, reference: Path, other: Path) -> None:
        import torch

        self.reference, self.other, self.folder = tensors(reference), tensors(other), other
        self.axes = axes_of(self.other, other)
        self.shape = shape_of(other)
        self.order: dict[str, Any] = {}
        """Kind of units to the place in `other` of what comes first, second, ...; of those that moved."""
        self.inner: dict[int, Any] = {}
        """For each layer the order of the numbers of a value, by groups of heads of `other`."""
        self.torch = torch

    def search(self) -> int:
        """Find the order of everything, round after round; returns how many rounds it took."""
        for round_ in range(1, ROUNDS + 1):
            changed = self._place(RESIDUAL, _best(self._likeness(RESIDUAL)))
            for layer in range(self.shape.layers):
                changed |= self._place_heads(layer)
                unit = f"{layer}.unit"
                changed |= self._place(unit, _best(self._likeness(unit)))
            if not changed:
                return round_
        return ROUNDS

    def closeness(self) -> float:
        """Cosine between the matrices of both, in the order found so far; norms are alike in all models."""
        products = own = theirs = 0.0
        for name, axes in self.axes.items():
            if name in self.reference and len(axes) > 1:
                one, two = self._read(self.reference, name), self._placed(name)
                products += float((one * two).sum())
                own, theirs = own + float(one.norm()) ** 2, theirs + float(two.norm()) ** 2
        return round(products / ((own * theirs) ** 0.5 or 1.0), 4)

    def moved(self) -> dict[str, float]:
        """Share of the units of each kind that have another place than before."""
        kinds: dict[str, list[float]] = {"residual": [], "units": [], "heads": []}
        for kind, order in self.order.items():
            names = {"unit": "units", RESIDUAL: "residual", "query": "heads"}
            name = names.get(kind.rpartition(".")[2])
            if name:
                step = self.shape.width if name == "heads" else 1
                kinds[name].append(float((order // step != self.torch.arange(len(order)) // step).float().mean()))
        return {name: sum(shares) / len(shares) for name, shares in kinds.items() if shares}

    def write(self, folder: Path) -> None:
        """Write the model in its new order, which computes what it computed before.

        Raises:
            RunError: the disk is too small.
        """
        with quiet():
            from mergekit.io import TensorWriter

        size = sum(path.stat().st_size for path in {each.file for each in self.other.values()})
        if free_bytes(folder) < size:
            raise RunError([disk_full(folder, size)])
        with disk_guard(folder, size):
            folder.mkdir(parents=True)
            for file in self.folder.iterdir():
                if file.is_file() and ".safetensors" not in file.suffixes:
                    shutil.copyfile(file, folder / file.name)
            writer = TensorWriter(str(folder), max_shard_size=SHARD_BYTES)
            for name in self.axes:
                writer.save_tensor(name, self._placed(name, exact=True), clone=True)
            writer.finalize()

    def _read(self, where: Mapping[str, Tensor], name: str, *, exact: bool = False) -> Any:
        from safetensors import safe_open

        with safe_open(where[name].file, "pt") as file:
            found = file.get_tensor(name)
        return found if exact else found.float()

    def _placed(self, name: str, *, but: str = "", exact: bool = False) -> Any:
        """A tensor of `other` with every axis in order, `but` one kind that is being looked at."""
        found = self._read(self.other, name, exact=exact)
        for axis, kind in enumerate(self.axes[name]):
            if kind in self.order and kind != but:
                found = found.index_select(axis, self.order[kind])
        return found

    def _pairs(self, kind: str) -> Iterator[tuple[Any, Any]]:
        """Matrices of both models whose rows are the units of a kind, all else in order."""
        for name, axes in self.axes.items():
            if kind in axes and name in self.reference:
                one, two = self._read(self.reference, name), self._placed(name, but=kind)
                at = axes.index(kind)
                yield tuple(each.movedim(at, 0).reshape(each.shape[at], -1) for each in (one, two))

    def _likeness(self, kind: str) -> Any:
        """For each unit of the reference and each of the other the sum of products of all weights that touch it."""
        return sum(one @ two.T for one, two in self._pairs(kind))

    def _place(self, kind: str, order: Any) -> bool:
        """Take an order of a kind of units; returns whether it is another than before."""
        changed = not self.torch.equal(order, self.order.get(kind, self.torch.arange(len(order))))
        self.order[kind] = order
        return changed

    def _place_heads(self, layer: int) -> bool:
        """Groups of heads, the heads of queries in each, and the numbers of each group's values.

        Rotary positions bind the numbers of queries and keys to their places; those of values are free.
        """
        heads, groups, width = self.shape.heads, self.shape.groups, self.shape.width
        each, places = heads // groups, self.torch.arange(width)
        inner = self.inner.setdefault(layer, places.repeat(groups, 1))
        like = {kind: self._likeness(f"{layer}.{kind}") for kind in ("query", "key", "value", "output")}
        value, output = (like[kind].unflatten(0, (-1, width)).unflatten(2, (-1, width)) for kind in ("value", "output"))
        query = _together(like["query"], places.repeat(heads, 1)) + _together(
            like["output"], inner.repeat_interleave(each, 0)
        )
        shared = _together(like["key"], places.repeat(groups, 1)) + _together(like["value"], inner)
        blocks = query.reshape(groups, each, groups, each).transpose(1, 2)
        orders = [[_best(block) for block in row] for row in blocks]
        gains = [
            [_gain(block, order) for block, order in zip(*row, strict=True)] for row in zip(blocks, orders, strict=True)
        ]
        chosen = _best(shared + self.torch.tensor(gains)).tolist()
        found: dict[str, list[Any]] = {kind: [] for kind in like}
        for group, other in enumerate(chosen):
            mine = [group * each + at for at in range(each)]
            theirs = [other * each + int(at) for at in orders[group][other]]
            inner[other] = _best(
                value[group, :, other] + sum(output[one, :, two] for one, two in zip(mine, theirs, strict=True))
            )
            found["key"].append(other * width + places)
            found["value"].append(other * width + inner[other])
            found["query"] += [head * width + places for head in theirs]
            found["output"] += [head * width + inner[other] for head in theirs]
        changed = [self._place(f"{layer}.{kind}", self.torch.cat(order)) for kind, order in found.items()]
        return any(changed)


def _best(likeness: Any) -> Any:
    """The order of the columns that brings the largest sum to the diagonal."""
    import torch
    from scipy.optimize import linear_sum_assignment

    return torch.from_numpy(linear_sum_assignment(likeness.numpy(), maximize=True)[1])


def _gain(block: Any, order: Any) -> float:
    return float(block[range(len(order)), order].sum())


def _together(likeness: Any, inner: Any) -> Any:
    """Likeness of whole heads: the sum over their numbers, those of the other model in an order of their own."""
    import torch

    heads, width = inner.shape
    blocks = likeness.reshape(-1, width, heads, width)
    ordered = [blocks[:, :, head, order].diagonal(dim1=1, dim2=2).sum(-1) for head, order in enumerate(inner)]
    return torch.stack(ordered, 1)
