"""What would change a plan's mind: the smallest change of one input that changes an answer, found and recomputed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from planner.documents import InputError, near
from planner.explanation.documents import Flip, Flips, Limit
from planner.explanation.groups import signed
from planner.explanation.inputs import Inputs
from planner.explanation.levers import levers_of
from planner.explanation.search import first_change, grid
from planner.explanation.words import amount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.documents import Decision, JsonValue, Plan
    from planner.explanation.levers import Lever, Scale
    from planner.rules import Book

Answers = dict[str, "Decision"]


def flips(
    plan: Plan,
    levers: Iterable[str] | None = None,
    questions: Iterable[str] | None = None,
    *,
    folder: Path | None = None,
) -> Flips:
    """The changes of single inputs that change answers, each recomputed and confirmed by the engine.

    Args:
        plan: a plan; its files need not be at hand, for it records what was found in them.
        levers: dotted paths of inputs, or beginnings of them such as `hardware`; all of them by default.
        questions: decisions; by default those that a reviewer signs and that steps of the plan follow from.
        folder: where the user's rule books lie; the current folder by default.

    Raises:
        InputError: no such lever or decision, or the plan's own inputs no longer give its answers.
    """
    engine = _Engine(plan, folder or Path())
    known = levers_of(engine.start)
    chosen = [lever for name in levers for lever in _named(name, known)] if levers else known
    asked = _asked(plan, questions)
    found: list[Flip] = []
    limits: list[Limit] = []
    for lever in dict.fromkeys(chosen):
        search = _Search(engine, lever, asked)
        found += search.of_numbers(lever.scale) if lever.scale else search.of_choices()
        limits += search.limits
    moved = {flip.lever for flip in found}
    return Flips(
        plan=plan.digest,
        name=plan.name,
        flips=tuple(found),
        limits=tuple(limits),
        steady=tuple(lever.path for lever in dict.fromkeys(chosen) if lever.path not in moved),
        evaluations=engine.evaluations,
    )


def _named(name: str, known: Iterable[Lever]) -> list[Lever]:
    found = [lever for lever in known if lever.path == name or lever.path.startswith(f"{name}.")]
    if not found:
        paths = [lever.path for lever in known]
        fix = near(name, paths) or f"There are: {', '.join(paths)}."
        raise InputError.one("EXPL003", f"The plan has no input `{name}` to vary.", fix)
    return found


def _asked(plan: Plan, questions: Iterable[str] | None) -> list[str]:
    known = [decision.question for decision in plan.decisions]
    if questions:
        wanted = list(dict.fromkeys(questions))
        for question in wanted:
            if question not in known:
                fix = near(question, known) or f"There are: {', '.join(known)}."
                raise InputError.one("EXPL001", f"The plan decides nothing called `{question}`.", fix)
        return wanted
    return signed(plan)


class _Engine:
    """Decides again, with one input changed."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        from planner.rules import user_books
        from planner.survey import survey_of

        if not plan.surveyed:
            message = "This plan does not record what was found of its data and models: an older planner wrote it."
            raise InputError.one("EXPL010", message, "Plan again with adapt plan; the new plan can be varied.")
        self._books: tuple[Book, ...] = user_books(folder / path for path in plan.spec.rule_books)
        self.start = Inputs(plan.spec, survey_of(plan.surveyed, plan.hardware), folder)
        self.evaluations = 0
        self.now = self._confirmed(plan)

    def _confirmed(self, plan: Plan) -> Answers:
        """The answers to the plan's own inputs, which must be those that it records."""
        answers = self.decide(self.start)
        recorded = {decision.question: decision.answer for decision in plan.decisions}
        other = [
            f"{name} {amount(decision.answer)} (the plan says {amount(recorded.get(name))})"
            for name, decision in answers.items()
            if decision.answer != recorded.get(name)
        ]
        if other or set(recorded) - set(answers):
            lost = [f"nothing for {name}" for name in recorded if name not in answers]
            told = "; ".join([*other, *lost][:3])
            message = f"Deciding the plan's own inputs again gives other answers: {told}."
            fix = "Its rules or its planner are not these; plan again with adapt plan."
            raise InputError.one("EXPL010", message, fix)
        return answers

    def decide(self, inputs: Inputs) -> Answers:
        """Every decision on some inputs.

        Raises:
            InputError: a pin of the spec cannot stand there.
        """
        from planner.planning import decide_by

        self.evaluations += 1
        decided = decide_by(self._books, inputs.spec, inputs.survey)
        return {decision.question: decision for decision in decided.decisions}


class _Search:
    """The search along one lever."""

    def __init__(self, engine: _Engine, lever: Lever, asked: list[str]) -> None:
        self._engine, self._lever, self._asked = engine, lever, asked
        self._seen: dict[str, Answers | InputError] = {}
        self.limits: list[Limit] = []

    def _at(self, value: JsonValue) -> Answers | None:
        """The decisions at a value of the lever; None when there is no plan."""
        key = repr(value)
        if key not in self._seen:
            try:
                self._seen[key] = self._engine.decide(self._lever.set(self._engine.start, value))
            except InputError as error:
                self._seen[key] = error
        found = self._seen[key]
        return None if isinstance(found, InputError) else found

    def _answer(self, value: JsonValue, question: str) -> JsonValue:
        decisions = self._at(value)
        return decisions[question].answer if decisions else None

    def of_choices(self) -> list[Flip]:
        """Every other word or flag."""
        found = []
        for choice in self._lever.choices:
            decisions = self._at(choice)
            if decisions is None:
                self._limit(choice, self._choice_words(choice))
                continue
            found += [self._flip(question, choice, "other") for question in self._changed(decisions)]
        return found

    def _changed(self, decisions: Answers) -> list[str]:
        now = self._engine.now
        return [question for question in self._asked if decisions[question].answer != now[question].answer]

    def of_numbers(self, scale: Scale) -> list[Flip]:
        """Up and down from where the number is."""
        now = self._lever.now
        if now is None and scale.when_absent == "skip":
            return []
        found = []
        for up in (True, False):
            if now is not None or up == (scale.when_absent == "from low"):
                found += self._along(scale, up=up)
        return found

    def _along(self, scale: Scale, *, up: bool) -> list[Flip]:
        now = self._lever.now if isinstance(self._lever.now, int | float) else None
        points = []
        for point in grid(now, scale, up=up):
            if self._at(point) is None:
                self._limit(point, self._at_words(point, scale, up=up, to_the_end=True))
                break
            points.append(point)
        found = []
        for question in self._asked:
            before = self._engine.now[question].answer
            change = first_change(
                points,
                now,
                scale,
                lambda value, name=question, old=before: self._answer(value, name) != old,  # type: ignore[misc]
                lambda one, two, name=question: self._answer(one, name) == self._answer(two, name),  # type: ignore[misc]
            )
            if change is not None:
                words = self._at_words(change.at, scale, up=up, to_the_end=change.to_the_end)
                flip = self._flip(question, change.at, "up" if up else "down", words)
                found.append(flip.model_copy(update={"to_the_end": change.to_the_end}))
        return found

    def _flip(self, question: str, at: JsonValue, direction: str, words: str = "") -> Flip:
        decisions = self._at(at) or {}
        decision = decisions[question]
        return Flip(
            lever=self._lever.path,
            question=question,
            now=self._lever.now,
            at=at,
            direction=direction,  # type: ignore[arg-type]
            answer=decision.answer,
            instead_of=self._engine.now[question].answer,
            because=decision.because,
            rule=decision.rule,
            change=words or self._choice_words(at),
        )

    def _choice_words(self, choice: JsonValue) -> str:
        """`weekly (now rarely)`; an event, such as one more attempt, has no value now."""
        now = self._lever.now
        was = "" if self._lever.is_event else f" (now {'not given' if now is None else amount(now)})"
        return f"{amount(choice)}{was}"

    def _at_words(self, at: float, scale: Scale, *, up: bool, to_the_end: bool) -> str:
        """`at 38 GB and more (now 24 GB)`."""
        is_end = at == (scale.high if up else scale.low)
        beyond = "" if is_end else " and more" if up else " and less"
        point = "" if is_end or to_the_end else ", up to a point" if up else ", down to a point"
        now = self._lever.now
        was = "not given" if now is None else _with_unit(now, scale)
        return f"at {_with_unit(at, scale)}{beyond}{point} (now {was})"

    def _limit(self, at: JsonValue, change: str) -> None:
        error = self._seen[repr(at)]
        because = error.findings[0].message if isinstance(error, InputError) else ""
        self.limits.append(Limit(lever=self._lever.path, at=at, change=change, because=because))


def _with_unit(value: JsonValue, scale: Scale) -> str:
    if isinstance(value, int | float) and value >= 10**4:
        # A step is a step: 1,234,567 rows are not 1.23 million.
        return f"{value:,.0f} {scale.unit}".rstrip()
    return amount(value, scale.unit)
