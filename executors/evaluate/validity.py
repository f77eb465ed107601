"""Whether an answer can be read at all by the program that it is for."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from executors.evaluate.case import Case

_FENCED = re.compile(r"```[\w+-]*\n(.*?)(?:```|\Z)", re.DOTALL)


def fenced(text: str) -> str:
    """What stands in the first code fence; the whole text where there is none."""
    match = _FENCED.search(text)
    return match[1].strip() if match else text.strip()


def _read(case: Case, *, strict: bool) -> str:
    return case.prediction.strip() if strict else fenced(case.prediction)


def yaml_valid(case: Case, *, strict: bool) -> bool:
    """The answer is YAML of more than one bare word; lenient: what stands in its code fence is."""
    import yaml

    try:
        value = yaml.safe_load(_read(case, strict=strict))
    except (yaml.YAMLError, RecursionError):
        return False
    return isinstance(value, dict | list)


def code_valid(case: Case, *, strict: bool) -> bool:
    """The answer is Python that parses; lenient: what stands in its code fence is."""
    text = _read(case, strict=strict)
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(text)


def html_valid(case: Case, *, strict: bool) -> bool:
    """The answer is HTML without a parse error of the standard; lenient: what stands in its code fence is."""
    import html5lib

    text = _read(case, strict=strict)
    parser = html5lib.HTMLParser(strict=False)
    parser.parseFragment(text)
    return text.startswith("<") and not parser.errors


def sql_valid(case: Case, *, strict: bool) -> bool:
    """The answer is one SQL statement by its grammar; lenient: what stands in its code fence is."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        statements = sqlglot.parse(_read(case, strict=strict), error_level=sqlglot.ErrorLevel.RAISE)
    except (SqlglotError, RecursionError):
        return False
    return len(statements) == 1 and statements[0] is not None and not isinstance(statements[0], sqlglot.exp.Command)
