"""Requests of OpenAI's interface, read strictly: what this server cannot do is refused, never passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from executors.serve.asked import Ask

if TYPE_CHECKING:
    from collections.abc import Mapping

STOPS = 4
TOP_LOGPROBS = 20
# Seeds that torch takes.
SEED = 2**63
NOT_DONE = "this server does not do that: leave it out"
# What is said of a value, and the code of the interface, by pydantic's word for what is wrong with it.
WRONG: dict[str, tuple[str, str]] = {
    "extra_forbidden": ("this server does not know it", "unknown_parameter"),
    "missing": ("it is missing", "missing_required_parameter"),
    "none_required": (NOT_DONE, "unsupported_parameter"),
    "greater_than_equal": ("", "integer_below_min_value"),
    "less_than_equal": ("", "integer_above_max_value"),
    "too_long": ("", "array_above_max_length"),
    "too_short": ("", "empty_array"),
}
# Of these only the value that changes nothing is taken.
UNDONE = frozenset({"best_of", "echo", "frequency_penalty", "n", "presence_penalty", "tools", "tool_choice"})


class ApiError(Exception):
    """An answer that is an error, in the shape of the interface."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None, kind: str = ""
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers: dict[str, str] = {}
        self.kind = kind or ("invalid_request_error" if status < 500 else "server_error")  # noqa: PLR2004

    @property
    def body(self) -> dict[str, Any]:
        """What the client is sent."""
        found = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": found}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["text"]
    text: str


def _parts(value: object) -> object:
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class _Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[_Part], BeforeValidator(_parts)]
    tool_calls: Annotated[list[Any], Field(max_length=0)] | None = None
    function_call: None = None

    @property
    def turn(self) -> dict[str, str]:
        role = "system" if self.role == "developer" else self.role
        return {"role": role, "content": "".join(part.text for part in self.content)}


class _StreamOptions(BaseModel):
    include_usage: bool = False


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    own: Annotated[dict[str, Any], Field(alias="schema")]
    description: str | None = None
    strict: bool | None = None


class _Format(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None

    @model_validator(mode="after")
    def _whole(self) -> _Format:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema needs the field json_schema, and nothing else has it")
        return self

    @property
    def asked(self) -> dict[str, Any] | None:
        """The schema; empty for any object, None for no form."""
        return self.json_schema.own if self.json_schema else {} if self.type == "json_object" else None


class _Common(BaseModel):
    """What both kinds of request share."""

    model_config = ConfigDict(extra="forbid")
    model: str
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-SEED, lt=SEED)] | None = None
    stop: Annotated[list[str], BeforeValidator(_listed), Field(max_length=STOPS)] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    # What is asked for with these changes answers, and is not done here: only the value that changes nothing is taken.
    n: Literal[1] | None = None
    frequency_penalty: Literal[0] | None = None
    presence_penalty: Literal[0] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None
    # What only the service of OpenAI has a use for.
    user: str | None = None

    def shared(self) -> dict[str, Any]:
        """The fields of an `Ask` that both have."""
        return {
            "model": self.model,
            "temperature": self.temperature or 0.0,
            "top_p": 1.0 if self.top_p is None else self.top_p,
            "seed": self.seed,
            "stop": tuple(text for text in self.stop or () if text),
        }


class ChatRequest(_Common):
    """A conversation that waits for its answer."""

    messages: Annotated[list[_Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=TOP_LOGPROBS)] | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    tool_choice: Literal["none", "auto"] | None = None
    functions: None = None
    response_format: _Format | None = None
    # Beyond the interface: see `Ask`.
    database: str | None = None
    modalities: list[Literal["text"]] | None = None
    # As `user`.
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None

    def ask(self) -> Ask:
        """The request as the engine takes it.

        Raises:
            ApiError: the conversation does not wait for an answer.
        """
        turns = tuple(message.turn for message in self.messages)
        if turns[-1]["role"] != "user":
            raise ApiError(400, "The last message must be of the user.", param="messages")
        if any(turn["role"] == "system" for turn in turns[1:]):
            raise ApiError(400, "A system message must be the first one.", param="messages")
        if self.top_logprobs is not None and not self.logprobs:
            raise ApiError(400, "top_logprobs: they come with logprobs alone.", param="top_logprobs")
        if self.logprobs and self.stream:
            raise ApiError(400, "logprobs: they are told of whole answers, not in a stream.", param="logprobs")
        return Ask(
            turns=turns,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            schema=self.response_format.asked if self.response_format else None,
            database=self.database,
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            **self.shared(),
        )


class CompletionRequest(_Common):
    """A text to be continued."""

    prompt: Annotated[list[str], BeforeValidator(_listed), Field(min_length=1, max_length=1)]
    logprobs: None = None
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    suffix: None = None

    def ask(self) -> Ask:
        """The request as the engine takes it."""
        # Older than its kin, this request continues 16 tokens where it does not say.
        return Ask(turns=None, text=self.prompt[0], max_tokens=self.max_tokens or 16, **self.shared())


def parse(kind: type[ChatRequest | CompletionRequest], values: object) -> ChatRequest | CompletionRequest:
    """A request from JSON values.

    Raises:
        ApiError: naming the field that cannot be used, and why.
    """
    if not isinstance(values, dict):
        raise ApiError(400, "The body must be a JSON object.")
    try:
        # Null is not given, also for what is not known here.
        return kind.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise _told(error.errors()[0]) from error


def _told(first: Mapping[str, Any]) -> ApiError:
    """What is wrong with a value, and where, by the code of the interface where that has one."""
    where, kind = first["loc"], str(first["type"])
    name = str(where[0]) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where[1:])
    said, code = WRONG.get(kind, ("", "invalid_type" if kind.endswith("_type") else "invalid_value"))
    if len(where) == 1 and name in UNDONE:
        said, code = NOT_DONE, "unsupported_value"
    return ApiError(400, f"{name}: {said or first['msg']}.", code=code, param=name)
