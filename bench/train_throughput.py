"""Tokens per CPU-second, and CPU time to one validation loss, of our trainer, a bare torch + peft loop, and trl's.

    python -m bench.train_throughput [MODEL_FOLDER ROWS.jsonl]

All train LoRA of one rank at one constant rate on the same rows, in one process; rounds alternate, and each has one
epoch. The bare loop has our rows in our batches, each row whole, autocast, loss, optimizer and clipping. trl's
SFTTrainer has its own of all that, at its defaults, and reads the same messages. All keep the states of their optimizer
from round to round.

The speed is the median of the rounds, the first left out. After each round the loss of the validation rows is taken,
beside the clock; the CPU time to the highest of the three last losses is read off between rounds. CPU time and not
wall-clock time, so that other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.small_model import ROWS, small_model

if TYPE_CHECKING:
    from collections.abc import Sequence

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

# At least, against each, in speed and in time to a loss.
TARGETS = {"bare loop": 1.0, "trl": 1.5}
INSTRUCTION = "Extract the intent and the slots of the request as compact JSON."


def main() -> None:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", help="folder of the base model")
    parser.add_argument("rows", type=Path, nargs="?", default=ROWS, help="JSONL of training rows")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa", help="of both")
    parser.add_argument("--prompt-loss-weight", type=float, default=0.0)
    parser.add_argument("--steps", type=int, default=12, help="optimizer steps of 8 rows in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--validation-rows", type=int, default=40)
    options = parser.parse_args()
    options.model = options.model or small_model()

    from executors.data import read_rows
    from executors.models import load_tokenizer
    from executors.prompt.document import make_prompt
    from executors.train.batches import EpochBatches
    from executors.train.examples import encode
    from executors.train.preflight import Ready

    params = _params(options)
    tokenizer, prompt = load_tokenizer(options.model), make_prompt(INSTRUCTION)
    every = read_rows(options.rows)
    rows, unseen = every[: options.steps * params.micro_batch], every[-options.validation_rows :]
    ready = Ready(tokenizer, encode(tokenizer, prompt, rows, params.max_length), None)
    held_out = encode(tokenizer, prompt, unseen, params.max_length).kept
    lengths = [len(example.ids) for example in ready.train.kept]
    batches = EpochBatches(lengths, micro=params.micro_batch, accumulation=1, seed=params.seed, grouped=True)
    tokens = ready.train.tokens

    with tempfile.TemporaryDirectory() as folder:
        loops = {
            "bare loop": _bare(options.model, params, ready, batches),
            "trainer": _ours(options.model, params, ready, batches, Path(folder)),
            "trl": _trl(options.model, params, [_conversation(prompt, row) for row in rows], Path(folder)),
        }
        base = _loss(next(iter(loops.values()))[0], held_out)
        rounds: dict[str, list[Round]] = {name: [Round(0.0, base)] for name in loops}
        for _ in range(options.rounds + 1):
            for name, (model, loop) in loops.items():
                started = time.process_time()
                loop()
                spent = time.process_time() - started
                rounds[name].append(Round(spent, _loss(model, held_out)))
                model.train()
    print(f"{tokens} tokens a round, {options.precision}, {options.attention} attention, load {os.getloadavg()[0]:.1f}")
    # The first round warms up.
    speeds = {name: median(tokens / each.cpu_s for each in found[2:]) for name, found in rounds.items()}
    reached = max(found[-1].loss for found in rounds.values())
    times = {name: cpu_to(reached, found) for name, found in rounds.items()}
    for name, found in rounds.items():
        losses = ", ".join(f"{each.loss:.3f}" for each in found[1:])
        print(f"{name:10} {speeds[name]:6.1f} tokens per CPU-second, validation loss {losses}", end="")
        print(f"; {times[name]:.1f} CPU-seconds to {reached:.3f}")
    for name, target in TARGETS.items():
        speed, sooner = speeds["trainer"] / speeds[name], times[name] / times["trainer"]
        print(f"ratio to {name}: {speed:.3f} in speed, {sooner:.3f} in time to that loss (target {target})")


class Round(NamedTuple):
    """One epoch of one contender."""

    cpu_s: float
    loss: float
    """Of the validation rows, at its end."""


def cpu_to(loss: float, rounds: Sequence[Round]) -> float:
    """CPU seconds until a loss was first reached, which is taken to fall evenly within a round.

    Args:
        loss: that some round ended at or below.
        rounds: in order; the first is the beginning.
    """
    spent = 0.0
    for before, after in pairwise(rounds):
        if after.loss <= loss:
            return spent + after.cpu_s * (before.loss - loss) / (before.loss - after.loss)
        spent += after.cpu_s
    raise ValueError(f"no round reached {loss}")


def _params(options: argparse.Namespace) -> Any:
    from executors.train import TrainParams

    return TrainParams(
        objective="sft",
        method="lora",
        rank=16,
        alpha=32.0,
        rank_scaling="classic",
        initialisation="zero-output",
        rate_ratio=1.0,
        dropout=0.0,
        targets="all-linear",
        learning_rate=1e-3,
        schedule="constant",
        warmup_ratio=0.0,
        epochs=1.0,
        micro_batch=8,
        accumulation=1,
        max_length=512,
        learn_turns="last",
        share_prefix=True,
        prompt_loss_weight=options.prompt_loss_weight,
        gradient_checkpointing=False,
        optimizer="adamw",
        weight_decay=0.0,
        beta1=0.9,
        beta2=0.999,
        max_grad_norm=1.0,
        precision=options.precision,
        base_dtype=options.precision,
        attention=options.attention,
        liger_kernel="never",
        compile="off",
        distribution="single",
        packing=False,
        length_grouped=True,
        early_stopping_patience=None,
        evaluations_per_epoch=0,
        checkpoint_s=3600.0,
        seed=1,
    )


def _model(folder: Path, params: Any) -> Any:
    from executors.models import load_model
    from executors.train.methods import METHODS

    return METHODS["lora"](load_model(folder, params.base_dtype, attention=params.attention, device="cpu"), params)


def _bare(folder: Path, params: Any, ready: Any, batches: Any) -> Any:
    """What one would write by hand: the head on weighted tokens only, cross entropy by torch."""
    import torch

    from executors.train.loss import collate
    from executors.train.precision import autocast

    model = _model(folder, params).model.train()
    base = model.get_base_model()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    rows = [example.encoded for example in ready.train.kept]
    pad = ready.tokenizer.pad_token_id

    optimizer = torch.optim.AdamW(trained, lr=params.learning_rate, weight_decay=0.0, fused=True)

    def loop() -> None:
        for numbers in batches:
            batch = collate([rows[number] for number in numbers], params.prompt_loss_weight, pad)
            with autocast(params.precision, "cpu"):
                hidden = base.model(input_ids=batch["ids"], use_cache=False).last_hidden_state
                logits = base.lm_head(hidden.flatten(0, 1)[batch["kept"]])
            losses = torch.nn.functional.cross_entropy(logits.float(), batch["targets"], reduction="none")
            ((losses * batch["weights"]).sum() / batch["weights"].sum()).backward()
            torch.nn.utils.clip_grad_norm_(trained, params.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()

    return model, loop


def _conversation(prompt: Any, row: Any) -> dict[str, Any]:
    """A row as trl reads it."""
    from executors.prompt.render import messages

    return {"prompt": messages(prompt, row), "completion": [{"role": "assistant", "content": row.completion}]}


def _trl(folder: Path, params: Any, conversations: list[dict[str, Any]], work: Path) -> Any:
    """The library's trainer as it comes, but for the adapter, the rate and where it runs."""
    from datasets import Dataset, disable_progress_bars
    from peft import LoraConfig
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    trainer = SFTTrainer(
        model=str(folder),
        args=SFTConfig(
            output_dir=str(work / "trl"),
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            num_train_epochs=params.epochs,
            learning_rate=params.learning_rate,
            lr_scheduler_type=params.schedule,
        ),
        train_dataset=Dataset.from_list(conversations),
        peft_config=LoraConfig(r=params.rank, lora_alpha=params.alpha, target_modules=params.targets),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer.model, trainer.train


def _loss(model: Any, examples: Any) -> float:
    """Mean loss of a token of the answers."""
    import torch

    total = weight = 0.0
    model.eval()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for example in examples:
            logits = model(input_ids=torch.tensor([example.ids])).logits[0, :-1].float()
            targets = torch.tensor(example.labels[1:])
            total += float(torch.nn.functional.cross_entropy(logits, targets, ignore_index=-100, reduction="sum"))
            weight += int((targets >= 0).sum())
    return total / weight


def _ours(folder: Path, params: Any, ready: Any, batches: Any, work: Path) -> Any:
    """The trainer of the executor, with its watch and a checkpoint at the end of each round."""
    from executors.train.trainer import SupervisedTrainer
    from executors.train.training import Training
    from executors.train.watch import Record, Schedule, Watch

    schedule = Schedule(batches.steps, frozenset(), None, params.checkpoint_s)
    watch = Watch(Record(), schedule, lambda _: None)
    trainer = SupervisedTrainer(_model(folder, params), Training(params, ready, batches, watch, work, "cpu"))
    return trainer.model, trainer.train


if __name__ == "__main__":
    main()
