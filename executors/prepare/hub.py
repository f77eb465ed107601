"""Fetching a model from a hub, weights as safetensors only."""

from __future__ import annotations

from pathlib import Path

from planner.documents import InputError, RunError

# Code and pickled weights are never fetched.
WANTED = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")


def fetch(name: str) -> Path:
    """The folder of a hub's model in the local cache; `HF_HUB_OFFLINE` is respected.

    Raises:
        InputError: the hub does not have it, or it is not in the cache while offline.
        RunError: the hub cannot be reached.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(WANTED)))
    except LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            message = f"{name} is not in the local cache, and HF_HUB_OFFLINE forbids to fetch it."
            raise InputError.one("PREP003", message, "Unset it, or name a local folder or .gguf file.") from error
        raise RunError.one("RUN110", f"The model hub cannot be reached to fetch {name}.", "Try again later.") from error
    except (HfHubHTTPError, HFValidationError) as error:
        message = f"The model hub does not give {name}: {str(error).strip().splitlines()[0]}"
        raise InputError.one("PREP004", message, "Check the name, and log in where the model asks for it.") from error
