from __future__ import annotations

from typing import Any

from executors.search.variants import Space, Variant

EVERY = ["plain", "form-first", "step-by-step"]


def space(**changed: Any) -> Space:
    given: dict[str, Any] = {"templates": EVERY, "counts": [0, 4, 8], "choices": ["balanced", "similar"]}
    return Space(**(given | {"passages": [], "format": "json"} | changed))


def test_one_thing_is_changed_at_a_time() -> None:
    found = space(passages=[3, 5])
    assert list(found.stages()) == ["passages", "examples", "templates"]
    start = found.start()
    assert start == Variant("plain", passages=3)
    for stage in found.stages():
        for other in found.around(start, stage):
            fields = [
                name for name in ("template", "examples", "passages") if getattr(other, name) != getattr(start, name)
            ]
            assert len(fields) <= 1


def test_every_count_is_tried_with_every_choice_and_none_once() -> None:
    names = [each.name for each in space().around(Variant("plain"), "examples")]
    assert names == [
        "plain, no examples",
        "plain, 4 balanced",
        "plain, 4 similar",
        "plain, 8 balanced",
        "plain, 8 similar",
    ]


def test_a_template_is_tried_only_where_it_suits_the_form() -> None:
    best = Variant("plain", 4, "similar")
    tried = {form: space(format=form).around(best, "templates") for form in ("json", "text")}
    assert [each.template for each in tried["json"]] == ["plain", "form-first"]
    assert [each.template for each in tried["text"]] == EVERY
    assert all((each.examples, each.choice) == (4, "similar") for each in tried["text"])


def test_without_an_index_nothing_is_said_of_passages() -> None:
    assert list(space(templates=["plain"]).stages()) == ["examples"]
    assert space().start().name == "plain, no examples"
    assert space(passages=[3]).start().name == "plain, no examples, 3 passages"


def test_the_start_is_the_first_template_that_suits() -> None:
    assert space(templates=["step-by-step", "plain"]).start().template == "plain"
