"""The words in which people tell failures: each symptom with its other spellings, its group and its causes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

Group = Literal[
    "information",
    "retrieval",
    "hallucination",
    "behaviour",
    "relevance",
    "syntax",
    "style",
    "safety",
    "bias",
    "dialect",
    "capability",
    "context",
    "cost",
    "latency",
    "unknown",
]
CauseWord = Literal["information", "behaviour", "capability", "context", "cost"]


@dataclass(frozen=True, slots=True)
class Symptom:
    """One way to fail, as it shows."""

    name: str
    group: Group
    """What it has in common with others that have the same first cure."""
    causes: tuple[CauseWord, ...]
    """Why it happens; a hallucination has two causes, and a bare wrong content tells none."""
    others: tuple[str, ...] = ()
    """Other spellings, in lower case, words parted by spaces."""


INFORMATION: tuple[CauseWord, ...] = ("information",)
BEHAVIOUR: tuple[CauseWord, ...] = ("behaviour",)
# The symptom table of the escalation ladder (book, Finetuning and RAG), in the words of specs.
SYMPTOM_TABLE: tuple[Symptom, ...] = (
    Symptom(
        "information",
        "information",
        INFORMATION,
        ("info", "knowledge", "lack of information", "lacks information", "missing knowledge", "no information"),
    ),
    Symptom(
        "wrong facts",
        "information",
        INFORMATION,
        (
            "fact",
            "factual",
            "factuality",
            "factually wrong",
            "facts wrong",
            "incorrect facts",
            "false facts",
            "inaccurate",
            "inaccurate facts",
            "misinformation",
        ),
    ),
    Symptom(
        "missing",
        "information",
        INFORMATION,
        ("missing facts", "missing information", "facts missing", "missing context", "unknown facts", "does not know"),
    ),
    Symptom(
        "private",
        "information",
        INFORMATION,
        ("private facts", "private information", "internal", "internal knowledge", "proprietary"),
    ),
    Symptom(
        "outdated",
        "information",
        INFORMATION,
        ("out of date", "outdated facts", "outdated information", "stale", "old facts", "obsolete", "not current"),
    ),
    Symptom(
        "retrieval miss",
        "retrieval",
        INFORMATION,
        (
            "retrieval",
            "retrieval misses",
            "missed retrieval",
            "missed passage",
            "wrong passage",
            "wrong document",
            "passage not found",
            "not retrieved",
            "recall",
        ),
    ),
    Symptom(
        "hallucination",
        "hallucination",
        ("information", "behaviour"),
        (
            "hallucinated",
            "hallucinates",
            "hallucinating",
            "made up",
            "made up facts",
            "fabrication",
            "fabricated",
            "confabulation",
            "invented facts",
            "invention",
            "ungrounded",
            "unsupported",
            "unfaithful",
        ),
    ),
    Symptom("behaviour", "behaviour", BEHAVIOUR, ("behavior", "behavioural", "behavioral", "instruction following")),
    Symptom(
        "irrelevant",
        "relevance",
        BEHAVIOUR,
        ("off topic", "irrelevance", "not relevant", "relevance", "beside the point", "ignores the question"),
    ),
    Symptom(
        "underspecified",
        "relevance",
        BEHAVIOUR,
        ("under specified", "too general", "too generic", "generic", "vague", "thin", "shallow", "incomplete"),
    ),
    Symptom(
        "malformed",
        "syntax",
        BEHAVIOUR,
        (
            "malformed output",
            "malformed json",
            "malformed yaml",
            "malformed sql",
            "malformed html",
            "malformatted",
            "format",
            "formatting",
            "bad format",
            "wrong format",
            "invalid",
            "invalid format",
            "invalid json",
            "invalid yaml",
            "invalid sql",
            "invalid html",
            "invalid output",
            "invalid syntax",
            "invalid dsl",
            "broken json",
            "broken syntax",
            "json",
            "parse",
            "parsing",
            "unparsable",
            "unparseable",
            "not parsable",
            "does not parse",
            "schema",
            "schema violation",
            "structure",
        ),
    ),
    Symptom("wrong form", "syntax", BEHAVIOUR, ("form", "output form", "invented label", "unknown label")),
    Symptom("syntax", "syntax", BEHAVIOUR, ("syntactic", "grammar")),
    Symptom(
        "style", "style", BEHAVIOUR, ("wrong style", "writing style", "voice", "brand voice", "house style", "wording")
    ),
    Symptom("tone", "style", BEHAVIOUR, ("wrong tone", "tone of voice", "rude", "impolite", "politeness", "register")),
    Symptom("too long", "style", BEHAVIOUR, ("verbose", "verbosity", "rambling", "long winded", "length", "wordy")),
    Symptom("too short", "style", BEHAVIOUR, ("terse", "curt")),
    Symptom(
        "safety",
        "safety",
        BEHAVIOUR,
        ("unsafe", "harm", "harmful", "toxic", "toxicity", "offensive", "jailbreak", "privacy leak"),
    ),
    Symptom(
        "refusal",
        "safety",
        BEHAVIOUR,
        ("refusals", "refuse", "refuses", "refused", "over refusal", "overrefusal", "false refusal", "declines"),
    ),
    Symptom(
        "bias",
        "bias",
        BEHAVIOUR,
        ("biased", "biases", "unfair", "unfairness", "stereotype", "discrimination", "gender bias", "fairness"),
    ),
    Symptom(
        "dialect",
        "dialect",
        BEHAVIOUR,
        (
            "customer queries",
            "customer specific",
            "customer dialect",
            "domain jargon",
            "jargon",
            "slang",
            "domain language",
            "domain shift",
            "sql dialect",
            "terminology",
        ),
    ),
    Symptom("wrong language", "dialect", BEHAVIOUR, ("language", "language switch", "code switching")),
    Symptom("wrong label", "behaviour", BEHAVIOUR, ("mislabelled", "misclassified", "misclassification", "confusion")),
    Symptom(
        "capability",
        "capability",
        ("capability",),
        (
            "capabilities",
            "cannot do it",
            "incapable",
            "too hard",
            "too difficult",
            "reasoning",
            "math",
            "arithmetic",
            "logic",
            "multi step",
            "planning",
        ),
    ),
    Symptom(
        "input too long",
        "context",
        ("context",),
        (
            "too long input",
            "long input",
            "context",
            "context length",
            "context window",
            "context overflow",
            "truncated",
            "truncation",
            "truncated input",
            "cut off input",
        ),
    ),
    Symptom(
        "cost",
        "cost",
        ("cost",),
        ("costly", "too costly", "expensive", "too expensive", "price", "token cost", "prompt too long", "long prompt"),
    ),
    Symptom("latency", "latency", ("cost",), ("slow", "too slow", "slowness", "timeout", "response time", "speed")),
    Symptom(
        "wrong content",
        "unknown",
        (),
        ("wrong", "wrong answer", "incorrect", "incorrect answer", "content", "error", "mistake"),
    ),
    Symptom("unknown", "unknown", (), ("other", "others", "unclear", "undiagnosed", "misc", "not known")),
)
SYMPTOMS: dict[str, Symptom] = {symptom.name: symptom for symptom in SYMPTOM_TABLE}
# Words that say no more than that something failed.
EMPTY = re.compile(r" (answer|case|error|fail|failure|failing|issue|output|problem|response|result)s?$")


def symptom_of(word: str) -> Symptom | None:
    """The symptom that a word of a spec means, whatever its spelling; None when no symptom is known by it."""
    spellings = _spellings()
    plain = re.sub(r"[\s_/-]+", " ", word.strip().casefold())
    shorter = EMPTY.sub("", plain)
    tries = (plain, shorter, plain.removesuffix("s"), shorter.removesuffix("s"))
    return next((spellings[each] for each in tries if each in spellings), None)


def all_spellings() -> tuple[str, ...]:
    """Every word that is understood, sorted."""
    return tuple(sorted(_spellings()))


@cache
def _spellings() -> dict[str, Symptom]:
    return {word: symptom for symptom in SYMPTOM_TABLE for word in (symptom.name, *symptom.others)}
