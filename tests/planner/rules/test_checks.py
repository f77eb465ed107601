"""A rule book of one's own: every mistake is told at once, with its file, its line, its rule and its column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from planner.documents import Finding, InputError
from planner.rules import core_book, plan_table, user_book, user_books
from tests.planner.rules.books import HEAD

if TYPE_CHECKING:
    from pathlib import Path

RULE = """
[[rule]]
id = "HSE101"
name = "our tickets are short"
decides = "method"
answer = "lora"
when = { train_rows = "> 500", tenants = 1 }
why = "We measured it."
cite = ["book:lora"]
examples = [
  { given = { train_rows = 900, tenants = 1 }, holds = true },
  { given = { train_rows = 9, tenants = 1 }, holds = false },
]
"""
LIMIT = '[threshold.limit]\nvalue = 500\nunit = "rows"\nwhy = "We measured it."\ncite = ["book:lora"]\n'
USING = LIMIT + RULE.replace('"> 500"', '"> $limit"')


def book(folder: Path, text: str, head: str = HEAD) -> Path:
    path = folder / "house.toml"
    path.write_text(head + text, encoding="utf-8")
    return path


def told(folder: Path, text: str, head: str = HEAD) -> tuple[Finding, ...]:
    """The findings of a book that must be refused."""
    path = book(folder, text, head)
    with pytest.raises(InputError) as caught:
        user_book(path)
    assert caught.value.exit_code == 2
    for finding in caught.value.findings:
        assert finding.where.file == str(path)
        assert finding.severity == "error"
        assert finding.fix
    return caught.value.findings


def changed(before: str, after: str, text: str = RULE) -> str:
    assert text.count(before) == 1, before
    return text.replace(before, after)


# What is wrong: the book, the code, the text of the line that is named, and words that the finding must hold.
BAD: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "an unknown key": (
        changed("why =", 'severty = "note"\nwhy ='),
        "BOOK002",
        "severty =",
        ("Rule HSE101", "`severty` is not a known key", "Did you mean `severity`?"),
    ),
    "an unknown table": (
        "[thresholds.x]\nvalue = 3\n" + RULE,
        "BOOK002",
        "",
        ("`thresholds`", "Did you mean `threshold`?"),
    ),
    "a rule without a name": (
        changed('name = "our tickets are short"\n', ""),
        "BOOK001",
        'id = "HSE101"',
        ("Rule HSE101", "`name` is missing"),
    ),
    "an id of another form": (changed("HSE101", "HSE1"), "BOOK003", 'id = "HSE1"', ("HSE1",)),
    "a fact that is not there": (
        changed('train_rows = "> 500"', 'trian_rows = "> 500"'),
        "BOOK007",
        "trian_rows",
        ("HSE101", "column `trian_rows`", "Did you mean `train_rows`?"),
    ),
    "a number where a word is": (
        changed("tenants = 1 }\nwhy", "task_kind = 1 }\nwhy"),
        "BOOK007",
        "task_kind",
        ("column `task_kind`", "compares a word with `1`"),
    ),
    "a flag where a number is": (
        changed("tenants = 1 }\nwhy", "tenants = true }\nwhy"),
        "BOOK007",
        "tenants",
        ("column `tenants`", "compares a number with `true`"),
    ),
    "a word that a fact never is": (
        changed("tenants = 1 }\nwhy", 'task_kind = "poetry" }\nwhy'),
        "BOOK007",
        "task_kind",
        ("`poetry` is nothing that it can be", "classification"),
    ),
    "a word that a decision never answers": (
        changed("tenants = 1 }\nwhy", 'objective = "sftt" }\nwhy'),
        "BOOK007",
        "objective",
        ("`sftt` is no answer to objective",),
    ),
    "two conditions in a cell": (
        changed('"> 500"', '"> 500 and < 900"'),
        "BOOK007",
        "train_rows",
        ("column `train_rows`", "not one comparison"),
    ),
    "a range that holds nothing": (
        changed('"> 500"', '"900..500"'),
        "BOOK007",
        "train_rows",
        ("column `train_rows`", "holds nothing"),
    ),
    "a cell that is no number": (changed('"> 500"', "nan"), "BOOK003", "train_rows", ("Rule HSE101",)),
    "an answer that is none": (
        changed('"lora"\n', '"lorra"\n'),
        "BOOK007",
        "HSE101",
        ("`lorra` is no answer to method",),
    ),
    "an answer of another form": (
        changed('decides = "method"\nanswer = "lora"', 'decides = "rank"\nanswer = -3'),
        "BOOK007",
        "HSE101",
        ("`-3` is no answer to rank", "whole number"),
    ),
    "a fact of another form as the answer": (
        changed('decides = "method"\nanswer = "lora"', 'decides = "rank"\nanswer = "@task_kind"'),
        "BOOK007",
        "HSE101",
        ("`@task_kind` is a word",),
    ),
    "a threshold as the answer that is none": (
        changed('decides = "method"\nanswer = "lora"', 'decides = "method"\nanswer = "$full_finetune_rows"'),
        "BOOK007",
        "HSE101",
        ("is no answer to method",),
    ),
    "a decision that is not there": (
        changed('"method"', '"methd"'),
        "BOOK007",
        "HSE101",
        ("no decision `methd`", "Did you mean `method`?"),
    ),
    "a source that is not there": (
        changed("book:lora", "book:loora"),
        "BOOK011",
        "cite = ",
        ("Rule HSE101 cites `book:loora`", "Did you mean `book:lora`?"),
    ),
    "no source": (changed('["book:lora"]', "[]"), "BOOK003", "cite = ", ("Rule HSE101", "`cite`")),
    "a family that ships": (
        changed("HSE101", "MET901"),
        "BOOK010",
        "MET901",
        ("family MET", "three letters of your own"),
    ),
    "an id that ships": (changed("HSE101", "MET101"), "BOOK005", "MET101", ("taken by the book `core`",)),
    "an id twice": (RULE + changed("> 500", "> 5"), "BOOK005", "HSE101", ("HSE101 stands twice",)),
    "an example that does not come out": (
        changed("train_rows = 900", "train_rows = 400"),
        "BOOK014",
        "HSE101",
        ("example 1 says that the rule holds", "train_rows = 400", "it does not hold"),
    ),
    "an example that leaves a fact out": (
        changed("{ given = { train_rows = 900, tenants = 1 }", "{ given = { train_rows = 900 }"),
        "BOOK014",
        "HSE101",
        ("example 1", "it is not known to hold"),
    ),
    "an example of what the rule does not read": (
        changed("train_rows = 9,", "train_rows = 9, test_rows = 3,"),
        "BOOK014",
        "HSE101",
        ("example 2 gives `test_rows`",),
    ),
    "no example in which the rule fails": (
        changed("train_rows = 9, tenants = 1 }, holds = false", "train_rows = 901, tenants = 1 }, holds = true"),
        "BOOK014",
        "HSE101",
        ("no example in which it does not hold",),
    ),
    "an alternative that says nothing new": (
        changed(
            '{ train_rows = "> 500", tenants = 1 }',
            '[{ train_rows = "> 500", tenants = 1 }, { train_rows = "> 600", tenants = 1 }]',
        ),
        "BOOK013",
        "HSE101",
        ("alternative 2 holds only where alternative 1",),
    ),
    "a row that never answers": (
        RULE + changed("> 500", "> 501").replace("HSE101", "HSE102"),
        "BOOK013",
        "HSE102",
        ("Rule HSE102", "HSE101 always answers first"),
    ),
    "a threshold that is a word": (
        changed("value = 500", 'value = "many"', LIMIT),
        "BOOK003",
        "value = ",
        ('`value` is "many"', "number"),
    ),
    "a threshold that is a flag": (changed("value = 500", "value = true", LIMIT), "BOOK003", "value = ", ("true",)),
    "a threshold that is no number": (changed("value = 500", "value = nan", LIMIT), "BOOK003", "value = ", ("NaN",)),
    "a threshold without end": (changed("value = 500", "value = inf", LIMIT), "BOOK003", "value = ", ("finite",)),
    "a threshold that nothing uses": (LIMIT, "BOOK006", "[threshold.limit]", ("`limit` is used by no rule",)),
    "a threshold without a source": (
        changed('cite = ["book:lora"]\n[', "[", USING.replace("\n\n[[rule]]", "\n[[rule]]")),
        "BOOK006",
        "[threshold.limit]",
        ("`limit` names no source",),
    ),
    "a threshold that is changed in silence": (
        '[threshold.memory_share_limit]\nvalue = 0.9\nunit = "fraction"\nwhy = "We share."\n',
        "BOOK006",
        "[threshold.memory_share_limit]",
        ("without a reason",),
    ),
    "a threshold in another unit": (
        '[threshold.memory_share_limit]\nvalue = 90\nunit = "percent"\nwhy = "We share."\nreason = "We share."\n',
        "BOOK006",
        "[threshold.memory_share_limit]",
        ("unit `percent`", "`fraction`"),
    ),
    "a threshold below zero": (
        '[threshold.memory_share_limit]\nvalue = -1\nunit = "fraction"\nwhy = "We share."\nreason = "We share."\n',
        "BOOK006",
        "[threshold.memory_share_limit]",
        ("must be above zero",),
    ),
    "a threshold of zero": (
        '[threshold.systematic_prompts]\nvalue = 0\nunit = "prompts"\nwhy = "x"\nreason = "y"\n',
        "BOOK006",
        "[threshold.systematic_prompts]",
        ("must be above zero", "disable the rules"),
    ),
    "a part of what is counted": (
        '[threshold.systematic_prompts]\nvalue = 4.5\nunit = "prompts"\nwhy = "x"\nreason = "y"\n',
        "BOOK006",
        "[threshold.systematic_prompts]",
        ("4.5", "counts prompts", "whole number"),
    ),
    "a rule switched off that is not there": (
        '[[disable]]\nid = "MET999"\nreason = "x"\n',
        "BOOK009",
        'id = "MET999"',
        ("disables rule MET999, which is in no book",),
    ),
    "a rule switched off in silence": (
        '[[disable]]\nid = "MET101"\n',
        "BOOK001",
        'id = "MET101"',
        ("`reason` is missing",),
    ),
    "an empty reason": ('[[disable]]\nid = "MET101"\nreason = ""\n', "BOOK003", 'reason = ""', ("Say why",)),
    "a decision that is there": (
        '[decision.method]\nasks = "?"\nanswers = ["a"]\nbecause = "x"\n',
        "BOOK012",
        "[decision.method]",
        ("`method` is there already", "[default.method]"),
    ),
    "a decision named as a fact": (
        '[decision.tenants]\nasks = "?"\nanswers = ["a"]\nbecause = "x"\n',
        "BOOK012",
        "[decision.tenants]",
        ("has the name of a fact",),
    ),
    "a default that is no answer": (
        '[default.method]\nvalue = "lorra"\nbecause = "x"\nreason = "y"\n',
        "BOOK012",
        "[default.method]",
        ("answers `lorra`, which is no answer", "Allowed: full"),
    ),
    "a default of no decision": (
        '[default.methd]\nvalue = "lora"\nbecause = "x"\nreason = "y"\n',
        "BOOK012",
        "[default.methd]",
        ("of no decision", "Did you mean `method`?"),
    ),
    "a default that is changed in silence": (
        '[default.method]\nvalue = "lora"\nbecause = "x"\n',
        "BOOK001",
        "[default.method]",
        ("`reason` is missing",),
    ),
    "a reference without an address": (
        '[reference.ours]\ntitle = "Our wiki"\n',
        "BOOK011",
        "[reference.ours]",
        ("`ours` has no address", "`url`"),
    ),
    "a reference that ships": (
        '[reference."book:lora"]\ntitle = "Another"\nurl = "https://x.example"\n',
        "BOOK011",
        '[reference."book:lora"]',
        ("taken by a source that ships",),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_told_once_with_its_line(name: str, tmp_path: Path) -> None:
    text, code, line, words = BAD[name]
    [finding] = told(tmp_path, text)
    assert finding.code == code, finding
    said = f"{finding.message} {finding.fix}"
    for word in words:
        assert word in said
    if line:
        lines = (tmp_path / "house.toml").read_text(encoding="utf-8").splitlines()
        assert finding.where.line is not None
        assert line in lines[finding.where.line - 1]


def test_the_right_book_is_taken(tmp_path: Path) -> None:
    found = user_book(book(tmp_path, USING))
    assert [rule.id for rule in found.rules] == ["HSE101"]
    assert plan_table([found]).rows["method"][0].rule.id == "HSE101"


def test_mistakes_of_every_kind_are_told_together(tmp_path: Path) -> None:
    parts = [
        changed("why =", 'severty = "note"\nwhy ='),
        changed("book:lora", "book:loora").replace("HSE101", "HSE102").replace("> 500", "> 50"),
        changed("value = 500", 'value = "many"', LIMIT),
        '[[disable]]\nid = "MET999"\nreason = "x"\n',
        '[default.method]\nvalue = "lorra"\nbecause = "x"\nreason = "y"\n',
    ]
    found = told(tmp_path, "".join(parts))
    assert [item.code for item in found] == ["BOOK002", "BOOK011", "BOOK003", "BOOK009", "BOOK012"]
    lines = [item.where.line for item in found]
    assert lines == sorted(lines, key=lambda line: line or 0), "in the order of the file"


def test_what_builds_on_a_broken_part_is_not_blamed(tmp_path: Path) -> None:
    text = changed("value = 500", 'value = "many"', USING)
    [finding] = told(tmp_path, text)
    assert finding.where.pointer == "/threshold/limit/value"
    own = '[decision.size]\nasks = "?"\nanswrs = ["a"]\nbecause = "x"\n'
    [finding] = told(tmp_path, own + changed('"method"\nanswer = "lora"', '"size"\nanswer = "a"'))
    assert finding.where.pointer == "/decision/size/answrs"


def test_decisions_that_wait_for_each_other_are_told(tmp_path: Path) -> None:
    own = '[decision.size]\nasks = "?"\nanswers = ["a"]\nbecause = "x"\n'
    one = RULE.replace("tenants = 1", 'size = "a"')
    two = RULE.replace("tenants = 1", 'method = "lora"').replace("HSE101", "HSE102")
    two = changed('"method"\nanswer = "lora"', '"size"\nanswer = "a"', two)
    [finding] = told(tmp_path, own + one + two)
    assert finding.code == "BOOK008"
    assert "method -> size" in finding.message or "size -> method" in finding.message


def test_a_fault_that_a_changed_threshold_causes_elsewhere_is_told_of_the_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from planner.rules import checks

    name, item = "systematic_prompts", core_book().thresholds["systematic_prompts"]
    rule = core_book().rules[0]
    ranged = rule.model_copy(update={"when": {"train_rows": f"{item.value}..${name}"}})
    shipped = core_book().model_copy(update={"rules": (ranged, *core_book().rules[1:])})
    monkeypatch.setattr(checks, "core_book", lambda: shipped)
    text = f'[threshold.{name}]\nvalue = {item.value - 1}\nunit = "{item.unit}"\nwhy = "x"\nreason = "y"\n'
    [finding] = told(tmp_path, text)
    assert finding.message.startswith(f"With what this book changes: Rule {rule.id}: column `train_rows`")


def test_a_rule_that_ships_may_lose_its_work_to_a_changed_threshold(tmp_path: Path) -> None:
    text = '[threshold.information_share]\nvalue = 0.9\nunit = "fraction"\nwhy = "x"\nreason = "y"\n'
    assert core_book().thresholds["information_share"].value < core_book().thresholds["behaviour_share"].value < 0.9
    assert user_book(book(tmp_path, text)).thresholds["information_share"].value == 0.9


def test_books_are_checked_beside_each_other(tmp_path: Path) -> None:
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(HEAD + RULE, encoding="utf-8")
    two.write_text(HEAD.replace("mine", "theirs") + RULE, encoding="utf-8")
    with pytest.raises(InputError, match="HSE101 is taken by the book `theirs`"):
        user_books([one, two])
    two.write_text(HEAD + RULE.replace("HSE101", "HSE102").replace("book:lora", "x"), encoding="utf-8")
    one.write_text(HEAD + RULE.replace("why", "whi"), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        user_books([one, two, tmp_path / "three.toml"])
    files = {finding.where.file for finding in caught.value.findings}
    assert files == {str(one), str(two), str(tmp_path / "three.toml")}


def test_a_book_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    path = book(tmp_path, RULE)
    assert len(user_books([path, tmp_path / "." / "house.toml"])) == 1


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("rule = [\n", 4, "not TOML"),
        ("a = 1\na = 2\n", 4, "overwrite"),
        (f"a = {'[' * 5000}", None, "nested too deeply"),
        (f"a = {'9' * 5000}", None, "not TOML"),
        ('when = "\x00"\n', 3, "not TOML"),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(tmp_path: Path, text: str, line: int | None, words: str) -> None:
    [finding] = told(tmp_path, text)
    assert finding.code == "BOOK004"
    assert words in finding.message
    assert finding.where.line == line


def test_files_that_are_no_books_are_refused(tmp_path: Path) -> None:
    (tmp_path / "big.toml").write_bytes(b"# " + b"x" * 1_000_000)
    (tmp_path / "empty.toml").write_text("", encoding="utf-8")
    for path, words in (
        (tmp_path / "big.toml", "at most 1 MB"),
        (tmp_path, "is a folder"),
        (tmp_path / "empty.toml", "`book` is missing"),
        (tmp_path / "gone.toml", "does not exist"),
    ):
        with pytest.raises(InputError, match=words):
            user_book(path)


def test_a_book_with_a_byte_order_mark_and_other_line_ends_is_read(tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    path.write_bytes(b"\xef\xbb\xbf" + (HEAD + RULE).replace("\n", "\r\n").encode())
    assert user_book(path).rules[0].id == "HSE101"


def test_own_sources_and_changes_are_recorded(tmp_path: Path) -> None:
    text = (
        '[reference.ours]\ntitle = "Our wiki"\nauthors = "Us"\nyear = 2026\nurl = "https://x.example/wiki"\n'
        '[threshold.memory_share_limit]\nvalue = 0.9\nunit = "fraction"\nwhy = "We share."\nreason = "other jobs run"\n'
        '[[disable]]\nid = "MET101"\nreason = "no tenants"\n'
        '[default.method]\nvalue = "dora"\nbecause = "we like it"\nreason = "measured"\n'
    ) + changed('["book:lora"]', '["ours"]')
    record = user_book(book(tmp_path, text)).record((core_book(),))
    assert record.references == {"ours": "Us (2026): Our wiki. https://x.example/wiki"}
    assert record.changes == (
        "threshold memory_share_limit: 0.9 instead of 1 fraction: other jobs run",
        "rule MET101 is switched off: no tenants",
        "default of method: dora: measured",
    )
    assert core_book().record((core_book(),)).changes == ()


def test_a_changed_default_answers_with_its_own_reason(tmp_path: Path) -> None:
    text = '[default.method]\nvalue = "dora"\nbecause = "we like it"\nreason = "measured"\ncite = ["book:lora"]\n'
    question = plan_table([user_book(book(tmp_path, text))]).questions["method"]
    assert (question.default, question.because, question.cite) == ("dora", "we like it", ("book:lora",))
    assert plan_table().questions["method"].default != "dora"
