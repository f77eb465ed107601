"""A run accounted for: what each step left, what storing it takes, and the pages that are made of it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from adapt.from_run import find_run
from adapt.render.account import account as page
from adapt.render.html import as_html
from adapt.render.page import Page, Span, as_markdown
from executors.account import Account, Storage, account
from planner.documents.schema import json_schema
from tests.executors.export.runs import finished_run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Account:
    state, report, plan = find_run(finished_run(tmp_path_factory.mktemp("run") / "one"))
    return account(plan, report, state)


def test_sizes_are_those_on_disk(found: Account) -> None:
    left = {(one.step, one.output): one for one in found.artifacts}
    assert left["train/one", "adapter"].bytes > 1000
    assert left["train/one", "adapter"].name == "adapter"
    assert all(one.there for one in found.artifacts)
    Draft202012Validator(json_schema("account", Account)).validate(found.to_json())
    assert found.state_bytes["store"] == sum(one.bytes for one in found.artifacts)


def test_what_was_cleaned_away_is_told(tmp_path: Path) -> None:
    import shutil

    state, report, plan = find_run(finished_run(tmp_path / "one"))
    shutil.rmtree(state.store)
    assert not any(one.there for one in account(plan, report, state).artifacts)


def test_variants_share_a_base(found: Account) -> None:
    base, adapter = 1000, next(one.bytes for one in found.artifacts if one.output == "adapter")
    assert found.storage[0] == Storage(tenants=1, merged_bytes=base, shared_bytes=base + adapter)
    assert [one.tenants for one in found.storage] == [1, 10, 100]
    assert found.storage[2].merged_bytes == 100 * base


def test_the_regret_is_told_where_every_rung_was_measured(found: Account) -> None:
    assert all(rung.status == "done" for rung in found.report.rungs)
    assert found.report.regret is not None


class Tags(HTMLParser):
    """Holds the open tags of a document, and fails where one is closed that is not open."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_in_every_form(found: Account) -> None:
    text, html = as_markdown(page(found)), as_html(page(found), "A run")
    for part in ("Run of tenant", "finetune", ".80 (.70 to .90)", "train/one", "Storage, merged against shared"):
        assert part in text
        assert part in html
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert "http" not in html  # it stands alone


def test_nothing_of_a_page_is_read_as_html() -> None:
    made = Page()
    made.heading("<script>alert(1)</script>", 1)
    made.grid(("a & b",), [(Span("<b>", "strong"),)])
    html = as_html(made, "</title><script>")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<th>a &amp; b</th>" in html
