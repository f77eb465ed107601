"""Values as a script in Python writes them."""

from __future__ import annotations

import json
from typing import Any


def shown(values: dict[str, Any]) -> str:
    """A dictionary as Python, a line for each value, in its order."""
    lines = [f"    {json.dumps(name)}: {_literal(value)},\n" for name, value in values.items()]
    return "{\n" + "".join(lines) + "}" if lines else "{}"


def _literal(value: Any) -> str:
    """A value as Python writes it, with the quotes of its formatters."""
    return json.dumps(value) if isinstance(value, str | list) else repr(value)
