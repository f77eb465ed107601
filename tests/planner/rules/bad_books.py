"""A right book, and every way in which one can be wrong."""

from __future__ import annotations

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
