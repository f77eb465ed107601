"""The executor that writes a model in fewer bits, and proves that what was written answers nearly as before."""

from __future__ import annotations

import gc
import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from executors.contract import Job, Outcome, Params, Site
from executors.errors import classify
from executors.files import disk_full, disk_guard, free_bytes, remove
from executors.heads import is_classifier_model
from executors.merge.sources import tensors
from executors.models import Dtype, device_name, gguf_file, load_model, load_tokenizer, quantized
from executors.progress import tell
from executors.quantize.apart import (
    ANSWERS,
    BITS_APART,
    CALIBRATED,
    GROUPED,
    Apart,
    answers_of,
    calibration_tokens,
    check_apart,
    check_calibration,
    read_as_written,
)
from executors.quantize.divergence import Likeness, logits, prompts_of, same_answers
from executors.quantize.gguf_file import GgufFormat, check_read, write_gguf
from executors.quantize.rounding import check_place, load_any, round_and_save
from executors.quantized import KvCache
from planner.documents import (
    GPTQMODEL,
    LLM_COMPRESSOR,
    Environment,
    Finding,
    InputError,
    Resources,
    RunError,
    Step,
    Where,
    canonical_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents.events import ErrorClass

Method = Literal["int8", "int4", "nf4", "fp4", "fp8", "torchao-int8", "int8-int4", "gguf", Apart]
BITS: dict[str, tuple[int, ...]] = {
    "int8": (8,),
    "torchao-int8": (8,),
    "fp8": (8,),
    "int4": (4,),
    "int8-int4": (4,),
    "nf4": (4,),
    "fp4": (4,),
    "gguf": (4, 8, 16),
    **BITS_APART,
}
FORMATS: dict[int, GgufFormat] = {4: "q4_0", 8: "q8_0", 16: "f16"}


class QuantizeParams(Params):
    """The form of the quantized model."""

    method: Method
    """Format of the weights: int8, nf4 and fp4 by bitsandbytes; torchao-int8, int8-int4 (activations in 8 bits, weights
    in 4), int4 and fp8 by torchao; gguf; gptq by gptqmodel; the others by llm-compressor."""
    bits: Literal[4, 8, 16]
    """Bits of a weight."""
    group: Annotated[int, Field(ge=16)] | None
    """Weights that share a scale; null where the format has a size of its own."""
    calibration_rows: Annotated[int, Field(ge=1)] | None
    """Rows that rounding is fitted to; null where it looks at no data."""
    calibration_tokens: Annotated[int, Field(ge=1)] | None
    """Length of a calibration segment."""
    kv_cache: KvCache
    """Precision of the key-value cache that the server is to be started with; the files are the same."""
    seed: int
    """Seed of bootstrap intervals, and of the choice of calibration rows."""

    @model_validator(mode="after")
    def _fits(self) -> QuantizeParams:
        if self.bits not in BITS[self.method]:
            widths = " or ".join(map(str, BITS[self.method]))
            raise ValueError(f"{self.method} has {widths} bits a weight, not {self.bits}")
        if self.method in ("int4", "int8-int4", *GROUPED) and self.group is None:
            raise ValueError(f"{self.method} needs a group")
        if self.method in CALIBRATED and (self.calibration_rows is None or self.calibration_tokens is None):
            raise ValueError(f"{self.method} needs calibration_rows and calibration_tokens")
        return self


class Quantize:
    """A model folder whose weights are rounded: safetensors that transformers reads, or a GGUF file."""

    name: ClassVar[str] = "quantize"
    version: ClassVar[str] = "2"
    params: ClassVar[type[Params]] = QuantizeParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "bitsandbytes", "torchao", "gguf", "safetensors")
    outputs: ClassVar[Mapping[str, str]] = {"model": "model", ANSWERS: "file"}
    environments: ClassVar[tuple[Environment, ...]] = (GPTQMODEL, LLM_COMPRESSOR)

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs, data to measure on as calibration, a missing environment, and the wrong device."""
        method = str(step.params.get("method"))
        if "model" not in step.inputs:
            return [_finding("QUANT001", f"{step.address} has no input `model`.", "Name it.", "/inputs/model")]
        return check_calibration(step) or check_apart(step, method, site.device) or check_place(method, site.device)

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned: neither the step nor the site tells the model's size."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/model`, read it again, and compare its logits with those of the 16-bit model.

        Raises:
            InputError: the model is quantized already, or of an architecture that the format does not know.
            RunError: what was written is not what was quantized, or the disk is full.
        """
        params: QuantizeParams = job.params
        base, making = Path(job.inputs["model"]), job.out / ".making"
        _refuse_quantized(base)
        _refuse_head(base, params.method)
        if found := check_place(params.method, device_name()):
            raise InputError(found)
        needed = sum(math.prod(tensor.shape) for tensor in tensors(base).values()) * params.bits // 8
        if needed > free_bytes(job.out):
            raise RunError([disk_full(job.out / "model", needed)])
        try:
            with disk_guard(job.out / "model", needed):
                outcome = _made(job, base, making)
                making.rename(job.out / "model")
        finally:
            remove(making)
        tell(job, "done", 3, 3)
        return outcome

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _made(job: Job, base: Path, making: Path) -> Outcome:
    """The quantized model in a folder, as it answers when it is read again."""
    params: QuantizeParams = job.params
    dtype, tokenizer = _dtype(base), load_tokenizer(base)
    prompts = prompts_of(tokenizer, job.inputs.get("calibration"))
    tell(job, "answering with 16 bits", 0, 3)
    model = load_any(base, dtype)
    parameters = model.num_parameters()
    like = Likeness(logits(model, prompts))
    tell(job, f"rounding to {params.method}", 1, 3)
    if params.method == "gguf":
        kind = FORMATS[params.bits]
        write_gguf(base, making / f"model-{kind}.gguf", kind)
        _beside(base, making)
        again = load_model(making, dtype, device=device_name())
        check_read(model, again, kind)
        del model
    else:
        del model
        gc.collect()
        rounded = _rounded(job, base, dtype, tokenizer, making)
        before = logits(rounded, prompts)
        del rounded
        gc.collect()
        again = load_any(making, dtype)
        if not _same(params.method, prompts, before, logits(again, prompts)):
            message = "The files that were written answer otherwise than the model that was quantized."
            raise RunError.one("QUANT010", message, "Choose another method of quantization.")
    tell(job, "comparing with 16 bits", 2, 3)
    metrics = like.measure(logits(again, prompts), params.seed)
    if params.method in BITS_APART:
        answers = canonical_json(answers_of(prompts, before))
        (job.out / ANSWERS).write_text(answers + "\n", encoding="utf-8")
    notes = {"method": params.method, "kv_cache": params.kv_cache, "dtype": dtype, "prompts": len(prompts)}
    return Outcome(metrics=metrics, notes={**notes, "bytes": _weight_bytes(making), "bytes_16_bit": 2 * parameters})


def _same(method: str, prompts: list[list[int]], before: list[Any], after: list[Any]) -> bool:
    """Whether what was written answers as what was quantized; a library apart has kernels of its own."""
    return read_as_written(prompts, before, after) if method in BITS_APART else same_answers(before, after)


def _rounded(job: Job, base: Path, dtype: Dtype, tokenizer: Any, folder: Path) -> Any:
    """The quantized model, written to a folder."""
    params: QuantizeParams = job.params
    if params.method not in BITS_APART:
        return round_and_save(base, params.method, params.group, dtype, tokenizer, folder)
    rows: list[list[int]] = []
    if params.calibration_rows is not None and params.calibration_tokens is not None:
        data, count, most = Path(job.inputs["calibration"]), params.calibration_rows, params.calibration_tokens
        rows = calibration_tokens(tokenizer, data, count, most, params.seed)
    if params.method == "gptq" and params.group is not None:
        from executors.quantize.gptq import round_by_gptqmodel

        return round_by_gptqmodel(base, params.group, dtype, tokenizer, rows, folder)
    from executors.quantize.compressor import compress

    return compress(base, params.method, params.group, dtype, tokenizer, rows, folder)


def _refuse_quantized(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise InputError.one("QUANT003", "There is no model folder: config.json is missing.", file=str(folder))
    if quantized(folder) or gguf_file(folder) is not None:
        message = "The model is quantized already: rounding rounded weights loses twice."
        raise InputError.one("QUANT004", message, "Quantize the 16-bit weights.", file=str(folder))


def _refuse_head(folder: Path, method: str) -> None:
    if (method == "gguf" or method in BITS_APART) and is_classifier_model(folder):
        message = f"The model has a head over labels, and {method} files are made of models that write."
        raise InputError.one("QUANT006", message, "Take int8, nf4 or torchao-int8.", file=str(folder))


def _dtype(folder: Path) -> Dtype:
    """The 16-bit type in which a model is compared: that of its release, bf16 for fp32."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return "fp16" if (config.get("dtype") or config.get("torch_dtype")) == "float16" else "bf16"


def _beside(base: Path, folder: Path) -> None:
    """Configuration and tokenizer beside a GGUF file, for those who read folders."""
    for file in sorted(base.iterdir()):
        if file.is_file() and file.suffix in (".json", ".jinja", ".txt", ".model") and "index" not in file.name:
            shutil.copyfile(file, folder / file.name)


def _weight_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix in (".safetensors", ".gguf"))


def _finding(code: str, message: str, fix: str, pointer: str) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(pointer=pointer))
