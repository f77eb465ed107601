"""The vocabulary of a review: every setting that rules may look at, whatever tool wrote it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["flag", "number", "word", "list"]


class Meaning(NamedTuple):
    """What a setting is: its form, its unit, and one sentence."""

    kind: Kind
    unit: str
    doc: str


def _flag(doc: str) -> Meaning:
    return Meaning("flag", "", doc)


def _number(unit: str, doc: str) -> Meaning:
    return Meaning("number", unit, doc)


def _word(doc: str) -> Meaning:
    return Meaning("word", "", doc)


def _list(doc: str) -> Meaning:
    return Meaning("list", "", doc)


SETTINGS: dict[str, Meaning] = {
    # What is done
    "training": _flag("Whether the file trains, as against exporting or answering."),
    "objective": _word("What is learnt: sft, preference, kto, reward, continued-pretraining, reinforcement, ..."),
    "method": _word("What is trained: full, partial, lora, qlora, lora-8bit, dora, ia3, oft, galore, ..."),
    "base_model": _word("Model that is adapted."),
    "adapter_path": _word("Adapter that training goes on from, or that is merged."),
    "resume": _word("Checkpoint that training goes on from."),
    "layers_trained": _number("layers", "Last layers that partial finetuning trains."),
    # Adapter
    "rank": _number("rank", "Rank of the adapter."),
    "alpha": _number("", "Scale of the adapter, before it is divided by the rank."),
    "adapter_dropout": _number("fraction", "Dropout of the adapter."),
    "targets": _list("Modules that get an adapter; `all-linear` for every matrix."),
    "modules_to_save": _list("Modules that are trained in full beside the adapter."),
    "dora": _flag("Whether direction and magnitude are trained apart (DoRA)."),
    "rank_scaling": _word("classic: alpha / rank; rslora: alpha / sqrt(rank)."),
    "virtual_tokens": _number("tokens", "Length of a soft prompt."),
    # Numbers of training
    "learning_rate": _number("", "Highest learning rate."),
    "epochs": _number("passes", "Passes over the data."),
    "max_steps": _number("steps", "Steps after which training ends; it stands before the epochs."),
    "micro_batch": _number("rows", "Rows that one device takes at once."),
    "accumulation": _number("micro-batches", "Micro-batches whose gradients are added up to one step."),
    "schedule": _word("How the learning rate changes."),
    "warmup_ratio": _number("fraction", "Share of the steps in which the learning rate rises."),
    "warmup_steps": _number("steps", "Steps in which the learning rate rises."),
    "warmup": _number("", "Warm-up as the file says it, in steps or as a fraction."),
    "weight_decay": _number("", "Weight decay."),
    "beta2": _number("", "Decay of Adam's second moment."),
    "optimizer": _word("Optimizer, by the tool's word."),
    "preference_beta": _number("", "Strength with which a preference loss holds to the reference model."),
    "preference_loss": _word("Loss of preference training, by the tool's word."),
    # Precision and memory
    "bf16": _flag("Whether bf16 mixed precision is on."),
    "fp16": _flag("Whether fp16 mixed precision is on."),
    "base_dtype": _word("Dtype that the base model is loaded in: fp32, fp16, bf16."),
    "load_in_4bit": _flag("Whether the base is quantized to 4 bits as it is loaded."),
    "load_in_8bit": _flag("Whether the base is quantized to 8 bits as it is loaded."),
    "gradient_checkpointing": _flag("Whether activations are recomputed in the backward pass."),
    "use_cache": _flag("Whether the key-value cache is on while training."),
    "attention": _word("Attention kernel: flash, sdpa, eager, xformers, flex."),
    "fused_loss": _flag("Whether the loss is computed without holding all logits."),
    "distribution": _word("How devices share the work: single, ddp, fsdp, zero-1, zero-2, zero-3."),
    "offload": _word("What moves to host memory: none, optimizer, parameters."),
    # Data
    "datasets": _list("Training data: paths or names, each with its split."),
    "eval_datasets": _list("Evaluation data: paths or names, each with its split."),
    "validation_size": _number("", "Training rows held back for evaluation, as a fraction or a count."),
    "evaluation": _flag("Whether anything is measured while training."),
    "max_samples": _number("rows", "Rows taken of each data set at most."),
    "dataset_format": _word("chat, instruct or text."),
    "max_length": _number("tokens", "Longest sequence; what is longer is cut."),
    "packing": _flag("Whether several rows share a sequence."),
    "packing_masked": _flag("Whether packed rows cannot attend to each other."),
    "pad_to_length": _flag("Whether every row is filled up to the longest sequence."),
    "train_on_prompt": _flag("Whether prompt tokens count in the loss as much as the answer's."),
    "chat_template": _word("Chat template that training renders with."),
    "train_on_eos": _word("Which end-of-turn tokens are trained: turn, all, last, none."),
    "pad_token": _word("Token that fills short rows."),
    "eos_token": _word("Token that ends an answer."),
    # Trust and output
    "trust_remote_code": _flag("Whether code that comes with the model is run."),
    "save_safetensors": _flag("Whether weights are saved as safetensors, not pickled."),
    "output_dir": _word("Folder of the result."),
    "save_steps": _number("steps", "Steps between checkpoints."),
    "eval_steps": _number("steps", "Steps between evaluations."),
    "export_bits": _number("bits", "Bits that an exported model is quantized to."),
    "export": _flag("Whether an adapter is merged and exported."),
    "secret": _word("Setting that holds a password or access token in plain text; the value is never kept."),
    # Merging
    "merge_method": _word("How models are merged."),
    "merge_sources": _list("Models that are merged."),
    "merge_base": _word("Base that task vectors are taken from."),
    "merge_dtype": _word("Dtype that a merge is computed and saved in: fp32, fp16, bf16."),
    "merge_t": _list("Interpolation shares of slerp."),
    "merge_density": _list("Shares of each task vector that are kept."),
    "merge_weights": _list("Weights of the models."),
    "merge_tokenizer": _word("Whose tokenizer the merged model gets."),
}  # fmt: skip
