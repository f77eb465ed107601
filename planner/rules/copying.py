"""Copies a rule, threshold or default into a book of the user's own, as the start of a change."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from planner.documents import InputError, JsonValue, near
from planner.rules.book import RULE_ID
from planner.rules.reading import MAX_BYTES, core_book, read_toml, review_book
from planner.survey.plain_text import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from planner.rules.book import Question, Rule, Threshold

FAMILIES = ("OWN", "MYR", "XYZ")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 110


def copied(name: str, target: Path | None = None) -> str:
    """The text of a book that holds a copy of a rule, threshold or decision's default, beside what it held before.

    Args:
        name: the id of a rule, or the name of a threshold or a decision.
        target: the book that the copy goes into; a new one when it is not there.

    Raises:
        InputError: nothing has that name, the book cannot be read, or it has a copy already.
    """
    before, data = _target(target)
    bare = name.lstrip("$")
    rules = {rule.id: rule for each in (core_book(), review_book()) for rule in each.rules}
    thresholds = {**review_book().thresholds, **core_book().thresholds}
    decisions = core_book().decisions
    held = _Held.of(data)
    if {name.upper(), f"threshold {bare}", f"default {bare}"} & held.copies:
        fix = "Change it there, or copy to another file."
        raise InputError.one("BOOK015", f"The book {target} has a copy of `{name}` already.", fix, file=str(target))
    if name.upper() in rules:
        text = _rule(rules[name.upper()], held, rules)
    elif bare in thresholds:
        text = _threshold(bare, thresholds[bare])
    elif bare in decisions:
        text = _default(bare, decisions[bare])
    else:
        hint = near(name, (each.lower() for each in (*rules, *thresholds, *decisions)))
        message = f"No rule, threshold or decision is called `{name}`."
        raise InputError.one("BOOK015", message, hint or "`adapt rules list` lists them.")
    whole = f"{before.rstrip()}\n\n{text}" if before else text
    tomllib.loads(whole)
    return whole


class _Held(NamedTuple):
    """What a book holds already; its reasons may still be empty."""

    rules: frozenset[str]
    copies: frozenset[str]

    @classmethod
    def of(cls, data: dict[str, Any]) -> _Held:
        """Read from the plain values of a book, as far as they are of the right form."""

        def ids(kind: str) -> list[str]:
            tables = data.get(kind, [])
            return [str(table.get("id")) for table in tables if isinstance(table, dict)]

        named = [f"{kind} {name}" for kind in ("threshold", "default") for name in data.get(kind, {})]
        return cls(frozenset(ids("rule")), frozenset([*ids("disable"), *named]))


def _target(target: Path | None) -> tuple[str, dict[str, Any]]:
    """The text of the book as it is, and its values."""
    if target is None or not target.exists():
        name = _BARE.findall(target.stem) if target else []
        return f'book = {_value(name[0] if name else "mine")}\nversion = "1"\n', {}
    text = read_text(target, str(target), code="BOOK", max_bytes=MAX_BYTES)
    data = read_toml(text, str(target))
    if "book" not in data:
        message = f"{target} is TOML, but no rule book."
        raise InputError.one("BOOK015", message, "Name another file with --to.", file=str(target))
    return text, data


def _rule(rule: Rule, held: _Held, taken: Iterable[str]) -> str:
    """The old rule switched off, and its copy under an id of the user's own."""
    shipped = {id_[:3] for id_ in taken}
    family = next((id_[:3] for id_ in sorted(held.rules) if re.match(RULE_ID, id_)), "")
    family = family or next(each for each in FAMILIES if each not in shipped)
    number = int(rule.id[3:])
    while f"{family}{number:03}" in held.rules:
        number += 1
    lines = ["[[disable]]", f'id = "{rule.id}"', 'reason = ""  # why, in a sentence', "", "[[rule]]"]
    lines += [f'id = "{family}{number:03}"', f"name = {_value(rule.name)}", f'decides = "{rule.decides}"']
    lines += [f"vetoes = {_value(list(rule.vetoes))}" if rule.vetoes else f"answer = {_value(rule.answer)}"]
    lines += [f'severity = "{rule.severity}"'] if rule.severity else []
    lines += [f"when = {_value(list(rule.rows) if len(rule.rows) > 1 else rule.rows[0])}"]
    lines += [f"{key} = {_value(text)}" for key, text in (("about", rule.about), ("fix", rule.fix)) if text]
    lines += [f"why = {_value(rule.why)}", f"cite = {_value(list(rule.cite))}", "examples = ["]
    lines += [f"  {_value({'given': item.given, 'holds': item.holds})}," for item in rule.examples]
    return "\n".join([*lines, "]", ""])


def _threshold(name: str, item: Threshold) -> str:
    lines = [f"[threshold.{name}]", f"value = {_value(item.value)}", f"unit = {_value(item.unit)}"]
    lines += [f"why = {_value(item.why)}", f"cite = {_value(list(item.cite))}", 'reason = ""  # why you change it']
    return "\n".join([*lines, ""])


def _default(name: str, question: Question) -> str:
    lines = [f"[default.{name}]", f"value = {_value(question.default)}", f"because = {_value(question.because)}"]
    return "\n".join([*lines, f"cite = {_value(list(question.cite))}", 'reason = ""  # why you change it', ""])


def _value(value: JsonValue) -> str:
    """A value as TOML writes it; a long list goes over several lines."""
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        items = [_value(item) for item in value]
        line = f"[{', '.join(items)}]"
        return line if len(line) <= _WIDTH else "[\n" + "".join(f"  {item},\n" for item in items) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key)
