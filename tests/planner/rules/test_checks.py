"""A rule book of one's own: every mistake is told at once, with its file, its line, its rule and its column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.documents import Finding, InputError
from planner.rules import core_book, plan_table, user_book, user_books
from tests.planner.rules.bad_books import BAD, LIMIT, RULE, USING, changed
from tests.planner.rules.books import HEAD

if TYPE_CHECKING:
    from pathlib import Path


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


WHOLE = USING + (
    '[reference.ours]\ntitle = "Our wiki"\nurl = "https://x.example/wiki"\n'
    '[threshold.memory_share_limit]\nvalue = 0.9\nunit = "fraction"\nwhy = "We share."\nreason = "other jobs run"\n'
    '[[disable]]\nid = "MET101"\nreason = "no tenants"\n'
    '[default.method]\nvalue = "dora"\nbecause = "we like it"\nreason = "measured"\n'
    '[decision.size]\nasks = "?"\nanswers = ["a"]\npolicy = "first"\nbecause = "x"\n'
)
LINES = [number for number, line in enumerate(WHOLE.splitlines()) if " = " in line and not line.startswith(" ")]
VALUES = [
    '""', "nan", "-inf", "[]", "{}", "[[]]", "true", "3", "-1", "1e400", "2026-01-01", '"$limit"', '"@train_rows"',
    '"in [a]"', '"5..1"', "[{}]", '[{ train_rows = "> 3" }, {}]', '{ "" = 3 }', '"!= x"', '[1, "a"]',
    "{ a = { b = 1 } }", '"collect"', '"unique"', '"method"', '"findings"', '["full"]', "", "[", '"\\u0000"',
]  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(VALUES)), min_size=1, max_size=3))
def test_whatever_a_book_says_it_is_taken_or_refused_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, str]]
) -> None:
    lines = WHOLE.splitlines()
    for number, value in changes:
        lines[number] = f"{lines[number].partition(' = ')[0]} = {value}"
    path = book(tmp_path_factory.getbasetemp(), "\n".join(lines))
    try:
        found = user_book(path)
    except InputError as error:
        assert error.findings
        assert all(finding.where.file == str(path) and finding.message for finding in error.findings)
    else:
        assert plan_table([found]).order
