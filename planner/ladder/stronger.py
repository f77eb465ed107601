"""The way out when the model cannot do the task: the same first rungs with a stronger one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Alternative, Stage

if TYPE_CHECKING:
    from planner.ladder.draft import Draft


def stronger_base(draft: Draft) -> tuple[Alternative, ...]:
    """The plan with the stronger model that was found, when the decision `escalation` calls for one."""
    name = draft.answer("stronger_base")
    if draft.answer("escalation") != "stronger-base" or name in (None, "none"):
        return ()
    return (
        Alternative(
            name="stronger-base",
            because=draft.decisions["escalation"].because,
            set={"models": [{"id": name}], "attempts": [], "failures": None},
            stages=(
                Stage(title=f"Prompt {name}", model=name, learns="whether any open model of this size can do the task"),
                Stage(
                    title=f"Let {name} write the data and train {draft.answer('base_model')} on them",
                    model=str(draft.answer("base_model")),
                    learns="whether the skill can be had cheaper, once a stronger model has it",
                ),
            ),
            cite=draft.decisions["escalation"].cite,
        ),
    )
