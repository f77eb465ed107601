"""What the survey knows of one model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from planner.survey.gguf_header import GgufHeader

ModelKind = Literal["folder", "gguf", "hub-cache", "catalog", "declared", "endpoint"]


@dataclass(frozen=True, slots=True)
class ModelSurvey:
    """One model: its files when they are at hand, else the catalog's or the spec's word. None is unknown."""

    id: str
    role: str
    kind: ModelKind
    path: Path | None = None
    """Folder or .gguf file on this machine; None when no file is at hand."""
    pin: str | None = None
    """Path for a plan's pin: relative to the plan's folder, `package:NAME/FILE`, or `hub:ORGANISATION/NAME`."""
    config: Mapping[str, Any] | None = None
    """The architecture, in the names of a config.json."""
    params: int | None = None
    params_source: str = "unknown"
    dtype: str | None = None
    """Dtype of the stored or released weights: fp32, fp16, bf16, fp8, int8, int4; None for GGUF types."""
    context_tokens: int | None = None
    licence: str | None = None
    commercial_use: bool | None = None
    gated: bool | None = None
    tuned: Literal["base", "instruct"] | None = None
    task: str | None = None
    """causal, masked, encoder, encoder-decoder or image-text, when the catalog knows it."""
    has_chat_template: bool | None = None
    ends_answers: bool | None = None
    """Whether a token is named at which generation stops."""
    opens_answers: bool | None = None
    """Whether the chat template writes the beginning of an answer's turn when it is asked to."""
    tokenizer: Path | None = None
    """tokenizer.json, or the .gguf file that holds the vocabulary."""
    quantization: str | None = None
    """How the weights are stored when quantized: a GGUF type such as `Q4_1`, or gptq, awq, bitsandbytes, ..."""
    has_weights: bool = False
    fingerprint: str | None = None
    bytes: int | None = None
    revision: str | None = None
    """Commit of the hub's repository."""
    catalog_id: str | None = None
    """Id of the catalog's entry that filled what the files do not say."""
    gguf: GgufHeader | None = field(default=None, repr=False, compare=False)

    @property
    def at_hand(self) -> bool:
        """Whether the weights lie on this machine."""
        return self.has_weights
