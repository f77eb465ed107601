"""The executor that writes a model in fewer bits, and proves that what was written answers nearly as before."""

from __future__ import annotations

import gc
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from executors.contract import Job, Outcome, Params, Site
from executors.errors import classify
from executors.files import remove
from executors.models import Dtype, device_name, gguf_file, load_model, load_tokenizer, quantized
from executors.progress import tell
from executors.quantize.divergence import Likeness, logits, prompts_of, same_answers
from executors.quantize.gguf_file import GgufFormat, check_weights, write_gguf
from executors.quantize.rounding import check_place, round_and_save
from planner.documents import Finding, InputError, Resources, RunError, Step, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents.events import ErrorClass

Method = Literal["int8", "int4", "nf4", "fp4", "fp8", "torchao-int8", "gptq", "awq", "gguf"]
BITS: dict[str, tuple[int, ...]] = {
    "int8": (8,),
    "torchao-int8": (8,),
    "fp8": (8,),
    "int4": (4,),
    "nf4": (4,),
    "fp4": (4,),
    "gptq": (4,),
    "awq": (4,),
    "gguf": (4, 8, 16),
}
FORMATS: dict[int, GgufFormat] = {4: "q4_0", 8: "q8_0", 16: "f16"}
# Libraries that cannot live beside the ones here.
ELSEWHERE = {
    "gptq": "GPTQ needs gptqmodel, which installs beside no other library of this environment",
    "awq": "AWQ needs llm-compressor in an environment of its own, and an accelerator",
}


class QuantizeParams(Params):
    """The form of the quantized model."""

    method: Method
    """Format of the weights: int8, nf4 and fp4 by bitsandbytes; torchao-int8, int4 and fp8 by torchao; gguf."""
    bits: Literal[4, 8, 16]
    """Bits of a weight."""
    group: Annotated[int, Field(ge=16)] | None
    """Weights that share a scale; null where the format has a size of its own."""
    calibration_rows: Annotated[int, Field(ge=1)] | None
    """Rows that rounding is fitted to; null where it looks at no data."""
    calibration_tokens: Annotated[int, Field(ge=1)] | None
    """Length of a calibration segment."""
    kv_cache: Literal["16-bit", "fp8", "int8"]
    """Precision of the key-value cache that the server is to be started with; the files are the same."""
    seed: int
    """Seed of bootstrap intervals."""

    @model_validator(mode="after")
    def _fits(self) -> QuantizeParams:
        if self.bits not in BITS[self.method]:
            widths = " or ".join(map(str, BITS[self.method]))
            raise ValueError(f"{self.method} has {widths} bits a weight, not {self.bits}")
        if self.method == "int4" and self.group is None:
            raise ValueError("int4 needs a group")
        return self


class Quantize:
    """A model folder whose weights are rounded: safetensors that transformers reads, or a GGUF file."""

    name: ClassVar[str] = "quantize"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = QuantizeParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "bitsandbytes", "torchao", "gguf", "safetensors")
    outputs: ClassVar[Mapping[str, str]] = {"model": "model"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses a missing input, a method of another environment, and a format that the device cannot compute."""
        method = str(step.params.get("method"))
        if "model" not in step.inputs:
            return [_finding("QUANT001", f"{step.address} has no input `model`.", "Name it.", "/inputs/model")]
        if method in ELSEWHERE:
            fix = "See `adapt doctor` for what is installed; or override quantization with int8, nf4 or gguf."
            return [_finding("QUANT002", f"{ELSEWHERE[method]}.", fix, "/params/method")]
        return check_place(method, site.device)

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned: neither the step nor the site tells the model's size."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/model`, read it again, and compare its logits with those of the 16-bit model.

        Raises:
            InputError: the model is quantized already, or of an architecture that the format does not know.
            RunError: what was written is not what was quantized.
        """
        params: QuantizeParams = job.params
        base, making = Path(job.inputs["model"]), job.out / ".making"
        _refuse_quantized(base)
        if found := check_place(params.method, device_name()):
            raise InputError(found)
        dtype = _dtype(base)
        tokenizer = load_tokenizer(base)
        prompts = prompts_of(tokenizer, job.inputs.get("calibration"))
        try:
            tell(job, "answering with 16 bits", 0, 3)
            model = load_model(base, dtype, device=device_name())
            like = Likeness(logits(model, prompts))
            tell(job, f"rounding to {params.method}", 1, 3)
            if params.method == "gguf":
                kind = FORMATS[params.bits]
                write_gguf(base, making / f"model-{kind}.gguf", kind)
                _beside(base, making)
                again = load_model(making, dtype, device=device_name())
                check_weights(model, again, kind)
                del model
            else:
                del model
                gc.collect()
                rounded = round_and_save(base, params.method, params.group, dtype, tokenizer, making)
                before = logits(rounded, prompts)
                del rounded
                gc.collect()
                again = load_model(making, dtype, device=device_name())
                if not same_answers(before, logits(again, prompts)):
                    message = "The files that were written answer otherwise than the model that was quantized."
                    raise RunError.one("QUANT010", message, "Choose another method of quantization.")
            tell(job, "comparing with 16 bits", 2, 3)
            metrics = like.measure(logits(again, prompts), params.seed)
            making.rename(job.out / "model")
        finally:
            remove(making)
        tell(job, "done", 3, 3)
        sizes = {"bytes": _weight_bytes(job.out / "model"), "bytes_16_bit": 2 * again.num_parameters()}
        notes = {"method": params.method, "kv_cache": params.kv_cache, "dtype": dtype, "prompts": len(prompts)}
        return Outcome(metrics=metrics, notes={**notes, **sizes})

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _refuse_quantized(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise InputError.one("QUANT003", "There is no model folder: config.json is missing.", file=str(folder))
    if quantized(folder) or gguf_file(folder) is not None:
        message = "The model is quantized already: rounding rounded weights loses twice."
        raise InputError.one("QUANT004", message, "Quantize the 16-bit weights.", file=str(folder))


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
