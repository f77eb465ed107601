"""The tokenizer of a model folder as GGUF's metadata tells it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from planner.documents import InputError

if TYPE_CHECKING:
    from pathlib import Path

DIGITS = "Digits"
BYTES = "ByteLevel"
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# How text is cut before merging, as tokenizer.json says it, to llama.cpp's name for it.
CUTS = {
    (BYTES,): "gpt-2",
    (DIGITS, BYTES): "smollm",
    (WORDS + r"|\p{N}{1,3}" + REST, BYTES): "llama-bpe",
    (WORDS + r"|\p{N}" + REST, BYTES): "qwen2",
}


def write_tokens(writer: Any, folder: Path, rows: int) -> None:
    """Tell a GGUF writer the tokens, their kinds, the merges, the special tokens and the chat template.

    Args:
        writer: of the gguf package.
        folder: a model folder with tokenizer.json.
        rows: rows of the embeddings; those beyond the last token get names of their own.

    Raises:
        InputError: llama.cpp has no such tokenizer, or none that is known here.
    """
    from gguf import SpecialVocab

    path = folder / "tokenizer.json"
    if not path.is_file():
        message = "There is no tokenizer.json, from which GGUF's tokens are made."
        raise InputError.one("QUANT033", message, "Save the tokenizer with transformers first.", file=str(folder))
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    model = tokenizer["model"]
    if model.get("byte_fallback"):
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(_cut(tokenizer, path))
    tokens, kinds = _tokens(tokenizer, rows)
    writer.add_token_list(tokens)
    if model.get("byte_fallback"):
        # A merge that comes earlier counts more, which is what scores say.
        writer.add_token_scores([-float(place) for place in range(rows)])
    writer.add_token_types(kinds)
    SpecialVocab(folder, load_merges=True, n_vocab=rows).add_to_gguf(writer, quiet=True)


def _tokens(tokenizer: dict[str, Any], rows: int) -> tuple[list[str], list[int]]:
    """Every row's token and kind of token."""
    from gguf import TokenType

    tokens = [f"[PAD{place}]" for place in range(rows)]
    kinds = [int(TokenType.UNUSED)] * rows
    for token, place in tokenizer["model"]["vocab"].items():
        tokens[place], kinds[place] = token, int(_kind(token, tokenizer))
    for added in tokenizer.get("added_tokens") or []:
        kind = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
        tokens[added["id"]], kinds[added["id"]] = added["content"], int(kind)
    return tokens, kinds


def _kind(token: str, tokenizer: dict[str, Any]) -> Any:
    from gguf import TokenType

    is_byte = len(token) == len("<0x00>") and token.startswith("<0x")
    return TokenType.BYTE if is_byte and tokenizer["model"].get("byte_fallback") else TokenType.NORMAL


def _cut(tokenizer: dict[str, Any], path: Path) -> str:
    """llama.cpp's name for how text is cut.

    Raises:
        InputError: there is none that is known here.
    """
    before = tokenizer.get("pre_tokenizer") or {}
    parts = before.get("pretokenizers") or [before]
    cut = tuple((part.get("pattern") or {}).get("Regex") or part.get("type") for part in parts)
    if tokenizer["model"].get("type") != "BPE" or cut not in CUTS:
        message = "The tokenizer cuts text in a way that llama.cpp is not told of here."
        raise InputError.one("QUANT034", message, "Convert it with llama.cpp's own script.", file=str(path))
    return CUTS[cut]
