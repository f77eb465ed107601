"""Rows in the shapes that public data sets have, brought to a request and the answers that count as right.

Where a set gives choices, the answer is a letter, and the text of the choice counts as right as well.
"""

from __future__ import annotations

import re
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, NamedTuple

from planner.documents.base import canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Row = Mapping[str, Any]

# What stands before a question: the passage that it is about, or the definitions of tables.
CONTEXTS = ("context", "passage", "article", "sql_context")
# Places of the right choice, by number or letter or text.
KEYS = ("answerKey", "answer_idx", "correct", "answer", "label")


# Marks behind which reasoning ends in its answer: GSM8K's, MATH's, and a phrase.
FINAL_ANSWER = re.compile(r"####[ \t]*\S|\\boxed\{|\banswer(?:\s+is|:)[ \t]*:?[ \t]*\S", re.IGNORECASE)


# Where a text has a gap to be filled; CodeLlama's tokenizer reads it so too.
HOLE = "<FILL_ME>"


class Asked(NamedTuple):
    """A request and every answer that counts as right, the one to learn from first."""

    prompt: str
    answers: tuple[str, ...]


class PublicShape(NamedTuple):
    """A shape by the fields that make it, and how a row of it is read."""

    fields: tuple[str, ...]
    read: Callable[[Row], Asked]


def text(row: Row, field: str) -> str:
    """A field that must be text.

    Raises:
        ValueError: it is not, or is blank; the message is a clause.
    """
    value = row[field]
    if not isinstance(value, str):
        raise ValueError(f"`{field}` is {kind(value)}, not text")  # noqa: TRY004 - one error for all that is wrong
    if not value.strip():
        raise ValueError(f"`{field}` is blank")
    return value


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    names = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number", str: "text"}
    return "null" if value is None else names.get(type(value), "something else")


def question(row: Row) -> Asked:
    """A question with its answers: one or a list, SQuAD's `{"text": [...]}`, TriviaQA's `{"value", "aliases"}`.

    Raises:
        ValueError: the question is no text, or the answers are none; the message is a clause.
    """
    field = "answers" if "answers" in row else "answer"
    given = row[field]
    if isinstance(given, dict):
        given = given["text"] if "text" in given else [given.get("value"), *given.get("aliases", ())]
    items = given if isinstance(given, list) else [given]
    answers = [_said(item.get("text") if isinstance(item, dict) else item) for item in items]
    if not all(isinstance(answer, str) for answer in answers):
        raise ValueError(f"`{field}` is {kind(row[field])}, not a text or a list of texts")
    # A question without an answer in the data is answered by saying nothing.
    return Asked(_about(row, text(row, "question")), tuple(dict.fromkeys(map(str, answers))) or ("",))


def _said(value: Any) -> str | None:
    """An answer as text; a yes-or-no question is answered in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return canonical_json(value)
    return value if isinstance(value, str) else None


def _about(row: Row, asked: str) -> str:
    """The question after the passage that it is about, where the row has one."""
    name = next((name for name in CONTEXTS if row.get(name)), None)
    return asked if name is None else f"{text(row, name)}\n\n{asked}"


def _choices(row: Row) -> tuple[list[str], list[str]]:
    """The texts of the choices, and the names by which the row may call them."""
    stem = row.get("question")
    given = next((value for value in (row.get("choices"), row.get("options"), row.get("endings")) if value), None)
    given = stem.get("choices") if given is None and isinstance(stem, dict) else given
    if isinstance(given, list) and given and all(isinstance(item, dict) for item in given):
        given = {"text": [item.get("text") for item in given], "label": [item.get("label") for item in given]}
    if isinstance(given, dict) and "text" in given:
        texts, names = given["text"], given.get("label") or []
    elif isinstance(given, dict):
        texts, names = [*given.values()], [*given]
    else:
        texts, names = given, []
    if not isinstance(texts, list) or len(texts) < 2 or not all(isinstance(item, str) for item in texts):  # noqa: PLR2004
        raise ValueError("the choices are no list of two or more texts")
    if len(texts) > len(ascii_uppercase):
        raise ValueError(f"there are {len(texts)} choices, more than letters")
    return texts, [str(name) for name in names]


def choice(row: Row) -> Asked:
    """A question with choices, and the letter of the right one.

    Raises:
        ValueError: there are no choices, or nothing tells the right one; the message is a clause.
    """
    texts, names = _choices(row)
    letters = [*ascii_uppercase[: len(texts)]]
    field = next((name for name in KEYS if row.get(name) is not None), "answer")
    key = row.get(field)
    places = [str(at) for at in range(len(texts))]
    # A number counts from 0; a text is the choice's own name, its letter, the choice itself, or such a number.
    called = (places,) if isinstance(key, int) else (names, letters, texts, places)
    at = next((each.index(str(key)) for each in called if str(key) in each), None)
    if at is None:
        raise ValueError(f"`{field}` is {canonical_json(key)[:40]}, which is none of the {len(texts)} choices")
    stem = row.get("question", row.get("question_stem", row.get("ctx")))
    asked = _about(row, text({"question": stem.get("stem") if isinstance(stem, dict) else stem}, "question"))
    # Some sets write the letter into the text: "A) 12".
    lettered = all(item.lstrip("( ")[:2] in (f"{letter})", f"{letter}.") for letter, item in zip(letters, texts))  # noqa: B905
    lines = texts if lettered else [f"{letter}. {item}" for letter, item in zip(letters, texts, strict=True)]
    return Asked("\n".join([asked, *lines]), (letters[at], texts[at]))


def _pair(asked: str, answer: str) -> PublicShape:
    return PublicShape((asked, answer), lambda row: Asked(_about(row, text(row, asked)), (_answer(row, answer),)))


def _answer(row: Row, field: str) -> str:
    said = _said(row[field])
    if said is None:
        raise ValueError(f"`{field}` is {kind(row[field])}, not text")
    return said


def _query(row: Row) -> Asked:
    """A question and its SQL; BIRD's evidence says what words in it mean."""
    field = next(name for name in ("query", "SQL", "sql") if name in row)
    value = row[field]
    given = text({field: value.get("human_readable") if isinstance(value, dict) else value}, field)
    asked = _about(row, text(row, "question" if "question" in row else "sql_prompt"))
    evidence = row.get("evidence")
    return Asked(f"{asked}\n\n{evidence}" if isinstance(evidence, str) and evidence.strip() else asked, (given,))


def _problem(row: Row) -> Asked:
    """A problem with its worked solution; the bare answer counts as right too."""
    bare = _said(row.get("answer"))
    return Asked(text(row, "problem"), (text(row, "solution"), *([bare] if bare else [])))


def _named(*fields: str) -> PublicShape:
    """Texts that are told apart by their names, and a label."""
    *texts, label = fields
    return PublicShape(
        fields,
        lambda row: Asked("\n".join(f"{name}: {text(row, name)}" for name in texts), (_answer(row, label),)),
    )


def _story(row: Row) -> Asked:
    return Asked(f"{text(row, 'Body')} {text(row, 'Question')}", (_answer(row, "Answer"),))


def _gap(prefix: str, middle: str) -> Callable[[Row], Asked]:
    """A text with a gap, in the shapes of infilling sets: what is missing is the answer; other parts may be empty."""

    def read(row: Row) -> Asked:
        for field in (prefix, "suffix"):
            if not isinstance(row[field], str):
                raise ValueError(f"`{field}` is {kind(row[field])}, not text")  # noqa: TRY004 - one error for all
        return Asked(f"{row[prefix]}{HOLE}{row['suffix']}", (text(row, middle),))

    return read


# The first shape whose fields a row has: the more telling ones stand first.
PUBLIC_SHAPES: dict[str, PublicShape] = {
    "prefix/suffix/middle": PublicShape(("prefix", "suffix", "middle"), _gap("prefix", "middle")),
    "prompt/suffix/canonical_solution": PublicShape(
        ("prompt", "suffix", "canonical_solution"), _gap("prompt", "canonical_solution")
    ),
    "question/query": PublicShape(("question", "query"), _query),
    "question/SQL": PublicShape(("question", "SQL"), _query),
    "question/sql": PublicShape(("question", "sql"), _query),
    "sql_prompt/sql": PublicShape(("sql_prompt", "sql"), _query),
    "question/choices/answer": PublicShape(("question", "choices", "answer"), choice),
    "question/answerKey": PublicShape(("question", "answerKey"), choice),
    "question_stem/answerKey": PublicShape(("question_stem", "answerKey"), choice),
    "question/options/correct": PublicShape(("question", "options", "correct"), choice),
    "question/options/answer": PublicShape(("question", "options", "answer"), choice),
    "question/options/answer_idx": PublicShape(("question", "options", "answer_idx"), choice),
    "ctx/endings/label": PublicShape(("ctx", "endings", "label"), choice),
    "question/answers": PublicShape(("question", "answers"), question),
    "question/answer": PublicShape(("question", "answer"), question),
    "question/response": _pair("question", "response"),
    "instruction/response": _pair("instruction", "response"),
    "query/response": _pair("query", "response"),
    "problem/solution": PublicShape(("problem", "solution"), _problem),
    "problem/answer": _pair("problem", "answer"),
    "Body/Question/Answer": PublicShape(("Body", "Question", "Answer"), _story),
    "premise/hypothesis/label": _named("premise", "hypothesis", "label"),
    "sentence1/sentence2/label": _named("sentence1", "sentence2", "label"),
    "sentence/label": _pair("sentence", "label"),
    "text/intent": _pair("text", "intent"),
    "utterance/intent": _pair("utterance", "intent"),
    "document/summary": _pair("document", "summary"),
    "dialogue/summary": _pair("dialogue", "summary"),
    "text/summary": _pair("text", "summary"),
    "article/highlights": PublicShape(
        ("article", "highlights"), lambda row: Asked(text(row, "article"), (text(row, "highlights"),))
    ),
    "prompt/canonical_solution": _pair("prompt", "canonical_solution"),
    "text/code": _pair("text", "code"),
    "input/output": _pair("input", "output"),
    "input/target": _pair("input", "target"),
    "inputs/targets": _pair("inputs", "targets"),
}


def rows_of_document(value: Any) -> list[dict[str, Any]] | None:
    """The rows of a whole JSON file: a list of objects, or SQuAD's articles with their paragraphs; else None."""
    articles = value.get("data") if isinstance(value, dict) else value
    if not isinstance(articles, list) or not articles or not all(isinstance(item, dict) for item in articles):
        return None
    if not isinstance(articles[0].get("paragraphs"), list):
        return None if isinstance(value, dict) else articles
    return [
        {"context": paragraph.get("context"), "title": article.get("title")} | asked
        for article in articles
        for paragraph in article.get("paragraphs") or ()
        if isinstance(paragraph, dict)
        for asked in paragraph.get("qas") or ()
        if isinstance(asked, dict)
    ]
