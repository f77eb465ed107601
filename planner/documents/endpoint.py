"""Models that a server answers for, and the judge that is one of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from planner.documents.base import Document


class Endpoint(Document):
    """An OpenAI-compatible server that answers for a model: vLLM, llama.cpp, a vendor."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$")]
    """Base address of the API, such as `http://localhost:8000/v1`; it carries no key."""
    model: Annotated[str, Field(min_length=1)] | None = None
    """Name of the model on the server; the model's id by default."""
    api_key_env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] | None = None
    """NAME of the environment variable that holds the key; the key itself never stands in a spec or plan."""
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 8
    """Requests that are open at the same time."""
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """Longest wait for one reply, in seconds."""
    max_retries: Annotated[int, Field(ge=0, le=20)] = 4
    """How often a request is tried again after a time-out, a lost connection, HTTP 429 or 5xx, or garbage."""
    input_usd_per_million_tokens: Annotated[float, Field(ge=0)] | None = None
    output_usd_per_million_tokens: Annotated[float, Field(ge=0)] | None = None


class Judge(Document):
    """A model that grades answers."""

    model: Annotated[str, Field(min_length=1)]
    """Id of a model of the spec that has an `endpoint`."""
    rubric: Annotated[str, Field(min_length=1)] | None = None
    """What a good answer is, in words; by default, that it says what the reference says."""
    scale: Annotated[int, Field(ge=2, le=10)] = 5
    """Grades go from 1 to this."""


class JudgeParams(Document):
    """The judge as a step's parameters name it: where it is asked, and by which rule it grades."""

    endpoint: Endpoint
    rubric: str | None
    scale: Annotated[int, Field(ge=2, le=10)]
