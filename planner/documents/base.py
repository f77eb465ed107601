"""What every document shares: frozen models, one canonical text, one digest."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import textwrap
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, JsonValue

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

__all__ = ["Document", "JsonValue", "ReadAhead", "canonical_json", "digest", "pretty_json"]


@cache
def _all_fields(model: type[BaseModel]) -> set[str]:
    """The names of a model's fields: one set for all its records, which nobody changes because they are frozen."""
    return set(model.model_fields)


@cache
def _texts_below_fields(model: type[BaseModel]) -> dict[str, str]:
    """Field name to the docstring that follows the field in the source of a model or of its bases."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
        for field, text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[field.target.id] = inspect.cleandoc(text.value.value)  # type: ignore[union-attr, arg-type]
    return found


class Document(BaseModel):
    """A frozen record that refuses unknown keys and never converts a value of another type in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe each field by the text below it; read here, since at import it would take a tenth of a plan."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, field in cls.model_fields.items():
            text = _texts_below_fields(cls).get(name)
            if text:
                properties[field.alias or name].setdefault("description", text)
        return schema

    @classmethod
    def made(cls, **values: Any) -> Self:
        """A record of values that are known to be right, without looking at them: every field must be given.

        A plan holds some thousand records of its evaluation; checking them, or filling in defaults, takes most of the
        time of planning.
        """
        document = cls.__new__(cls)
        # Frozen documents let nobody set a field; these four are all that pydantic keeps.
        object.__setattr__(document, "__dict__", values)
        object.__setattr__(document, "__pydantic_fields_set__", _all_fields(cls))
        object.__setattr__(document, "__pydantic_extra__", None)
        object.__setattr__(document, "__pydantic_private__", None)
        return document

    def to_json(self) -> dict[str, Any]:
        """The document as plain JSON values, by the names that stand in its file."""
        return self.model_dump(mode="json", by_alias=True)


class ReadAhead(Document):
    """A document of a format that may grow: a reader ignores names that a newer minor version added."""

    # What a run measured may be no number, such as a loss that overflowed.
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=True)


def canonical_json(value: JsonValue | dict[str, Any]) -> str:
    """The one text of a JSON value: keys sorted, no spaces, UTF-8, shortest round-trip numbers.

    Raises:
        ValueError: a number is not finite; JSON has no word for it.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def pretty_json(value: JsonValue | dict[str, Any]) -> str:
    """The same value for people and for line-wise diffs: keys sorted, two spaces, a final newline."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def digest(value: JsonValue | dict[str, Any]) -> str:
    """`sha256:` and the hexadecimal SHA-256 of the canonical text: equal if and only if the values are."""
    return "sha256:" + hashlib.sha256(canonical_json(value).encode()).hexdigest()
