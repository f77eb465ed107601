"""The executor that folds an adapter into its base, so that the model serves at the base's cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from executors.contract import Job, Outcome, Params, Site
from executors.errors import classify
from executors.heads import is_classifier, is_classifier_model, labels_of, load_classifier, load_labelling
from executors.inputs import missing_inputs
from executors.models import (
    Dtype,
    adapter_kind,
    load_adapter,
    load_model,
    load_tokenizer,
    quantized,
    save_model,
    tokenizer_folder,
    torch_dtype,
)
from executors.progress import tell
from planner.documents import Finding, InputError, Resources, RunError, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents.events import ErrorClass


# Adapters that change no weights of the base, and what they are instead.
SEPARATE = {
    "bottleneck": "A bottleneck adapter bends what it reads, which no matrix does",
    "linear-probe": "A probe is a head on features of one layer of the base, whose weights stay as they are",
    "PROMPT_TUNING": "A soft prompt is input, not weights",
    "P_TUNING": "A soft prompt is input, not weights",
    "PREFIX_TUNING": "A prefix is keys and values beside the input, not weights",
}


class MergeParams(Params):
    """The form of the merged model."""

    dtype: Dtype
    """Data type of the weights that are written; the sum itself is taken in fp32."""


class Merge:
    """Adds the adapter to the weights of the base and writes a model folder of its own."""

    name: ClassVar[str] = "merge"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = MergeParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "peft")
    outputs: ClassVar[Mapping[str, str]] = {"model": "model"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs."""
        del site
        return missing_inputs(step, ("model", "adapter"), "MERGE001")

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned: neither the step nor the site tells the model's size."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/model`.

        Raises:
            InputError: the base is quantized, or the adapter does not fit it.
            RunError: the merged weights are not finite.
        """
        params: MergeParams = job.params
        tell(job, "adding the adapter to the base", 0, 2)
        fold(Path(job.inputs["model"]), Path(job.inputs["adapter"]), params.dtype, job.out / "model")
        tell(job, "reading the weights again", 1, 2)
        again = _read_again(job.out / "model", params.dtype)
        broken = not_finite(again)
        if broken:
            message = f"{len(broken)} merged tensors are not finite, such as {broken[0]}."
            raise RunError.one("MERGE003", message, "Train with a lower learning rate, or merge to fp32.")
        tell(job, "done", 2, 2)
        return Outcome(notes={"parameters": again.num_parameters(), "dtype": params.dtype})

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def fold(base: Path, adapter: Path, dtype: Dtype, folder: Path) -> None:
    """Write the base with an adapter's changes added to its weights.

    Args:
        base: model folder that the adapter was trained on.
        adapter: folder that peft reads.
        dtype: data type of what is written; the sum is taken in fp32.
        folder: where to write.

    Raises:
        InputError: the base is quantized, or the adapter does not fit it or cannot be folded.
    """
    refuse_separate(adapter)
    if quantized(base):
        message = "The base is quantized: adding an adapter to rounded weights is not what was trained."
        raise InputError.one("MERGE002", message, "Merge into the base before quantization.", file=str(base))
    # bf16 holds 8 bits: small updates would vanish in the sum.
    tokenizer = load_tokenizer(tokenizer_folder({"model": base, "adapter": adapter}))
    if is_classifier({"adapter": adapter}):
        model = load_labelling(base, adapter, "fp32", "none", tokenizer.pad_token_id, device="cpu")
    else:
        model = load_adapter(load_model(base, "fp32", device="cpu"), adapter)
    save_model(model.merge_and_unload().to(torch_dtype(dtype)), tokenizer, folder)


def refuse_separate(adapter: Path) -> None:
    """Refuse what is no change of the base's weights, before anything is loaded.

    Raises:
        InputError: saying why.
    """
    kind = adapter_kind(adapter)
    if kind in SEPARATE:
        fix = "Serve it beside the base: set serving to adapters."
        raise InputError.one("MERGE005", f"{SEPARATE[kind]}, so it cannot be folded.", fix, file=str(adapter))


def _read_again(folder: Path, dtype: Dtype) -> Any:
    if is_classifier_model(folder):
        pad = load_tokenizer(folder).pad_token_id
        return load_classifier(folder, dtype, labels_of(folder, None), pad, device="cpu")
    return load_model(folder, dtype, device="cpu")


def not_finite(model: Any) -> list[str]:
    """Names of the tensors that hold an infinity or no number at all."""
    return [name for name, tensor in model.state_dict().items() if not bool(tensor.isfinite().all())]
