"""A Modelfile for Ollama: the weights as GGUF, the chat template in its language, system text and examples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from planner.documents import Finding

if TYPE_CHECKING:
    from pathlib import Path

    from executors.prompt.document import Prompt

ROLES = ("system", "user", "assistant")
# Conversations that a template is tried on; every other is made of the same steps.
TRIED = ("su", "suau", "suauau", "u", "uau")


class Template(NamedTuple):
    """A chat template as what stands before and after each role's text."""

    around: dict[str, tuple[str, str]]
    opening: str
    """What comes before the answer."""
    default: str
    """System text that the template puts in where there is none."""


def read_template(tokenizer: Any) -> Template | None:
    """A tokenizer's chat template in parts, where it is nothing but parts; None where it does more.

    It is rendered with marked texts and taken apart; then other conversations, put together from the parts, must come
    out as the template renders them, letter by letter.
    """
    from jinja2.exceptions import TemplateError

    if not tokenizer.chat_template:
        return None
    try:
        found = _parts(tokenizer)
        if found is None:
            return None
        tried = all(_joined(found, turns) == _rendered(tokenizer, turns) for turns in map(_conversation, TRIED))
    except TemplateError:
        return None
    return found if tried else None


def _conversation(roles: str) -> list[dict[str, str]]:
    words = {"s": "system", "u": "user", "a": "assistant"}
    return [{"role": words[role], "content": f"text {role}{number}"} for number, role in enumerate(roles)]


def _rendered(tokenizer: Any, turns: list[dict[str, str]], *, opened: bool = True) -> str:
    text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=opened)
    # Where the tokenizer writes the first token of a text itself, so does Ollama.
    writes = tokenizer("x")["input_ids"][:1] == [tokenizer.bos_token_id]
    return text.removeprefix(tokenizer.bos_token) if writes else text


def _parts(tokenizer: Any) -> Template | None:
    """What each turn adds to the conversation before it; None where a turn changes what stood before."""
    turns = _conversation("suau")
    asked, answered, again = (_rendered(tokenizer, turns[:count], opened=False) for count in (2, 3, 4))
    opened = _rendered(tokenizer, turns[:2])
    if not (answered.startswith(asked) and again.startswith(answered) and opened.startswith(asked)):
        return None
    user = _split(again.removeprefix(answered), turns[3])
    assistant = _split(answered.removeprefix(asked), turns[2])
    first = f"{user[0]}{turns[1]['content']}{user[1]}"
    system = _split(asked.removesuffix(first), turns[0])
    alone = _rendered(tokenizer, _conversation("u"), opened=False).replace("text u0", turns[1]["content"])
    put = alone.removesuffix(first)
    default = put.removeprefix(system[0]).removesuffix(system[1]) if put else ""
    return Template({"system": system, "user": user, "assistant": assistant}, opened.removeprefix(asked), default)


def _split(text: str, turn: dict[str, str]) -> tuple[str, str]:
    before, _, after = text.partition(turn["content"])
    return before, after


def _joined(template: Template, turns: list[dict[str, str]]) -> str:
    """A conversation put together from the parts, as Ollama will."""
    told = list(turns)
    if told[0]["role"] != "system" and template.default:
        told = [{"role": "system", "content": template.default}, *told]
    parts = [f"{template.around[turn['role']][0]}{turn['content']}{template.around[turn['role']][1]}" for turn in told]
    return "".join(parts) + template.opening


def go_template(template: Template) -> str:
    """The template in the language of Ollama."""
    lines = ["{{- range .Messages }}"]
    for role in ROLES:
        before, after = template.around[role]
        said = f"{_quoted(before)}{{{{ .Content }}}}{_quoted(after)}"
        lines.append(f'{{{{- if eq .Role "{role}" }}}}{said}{{{{- end }}}}')
    return "".join([*lines, "{{- end }}", _quoted(template.opening)])


def _quoted(text: str) -> str:
    """Text that Go's trimming of spaces must not touch, as a string of its own."""
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if text else ""


def modelfile(
    weights: str, template: Template | None, prompt: Prompt | None, stops: list[str], window: int | None
) -> tuple[str, list[Finding]]:
    """The Modelfile, and what it cannot say.

    Args:
        weights: the GGUF file, relative to the Modelfile.
        template: the chat template in parts; None where it cannot be said.
        prompt: what the model was measured with.
        stops: texts that end an answer.
        window: tokens that the model reads in all.
    """
    findings: list[Finding] = []
    lines = [f"FROM ./{weights}"]
    if template is None:
        message = "The chat template does more than to put marks around texts, which is not translated."
        fix = "Ollama knows many templates by the GGUF file; compare `ollama show --template` with chat_template.jinja."
        findings.append(_unsaid(message, fix))
    else:
        lines.append(f'TEMPLATE """{go_template(template)}"""')
    system = (prompt.system if prompt else "") or (template.default if template else "")
    if system:
        lines.append(f'SYSTEM """{system}"""')
    for shown in () if prompt is None or prompt.nearest else prompt.examples:
        lines += [f'MESSAGE user """{shown.prompt}"""', f'MESSAGE assistant """{shown.completion}"""']
    if prompt is not None and prompt.nearest:
        message = "Examples were chosen for each request; Ollama shows the same before every one, so it is given none."
        findings.append(_unsaid(message, "Choose them where requests are made."))
    if prompt is not None and prompt.after:
        message = f"The text after each request is not said: {prompt.after!r}."
        findings.append(_unsaid(message, "Add it to each request."))
    lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops]
    lines.append("PARAMETER temperature 0")
    if window is not None:
        lines.append(f"PARAMETER num_ctx {window}")
    return "\n".join(lines) + "\n", findings


def _unsaid(message: str, fix: str) -> Finding:
    return Finding(code="EXPORT022", severity="warning", message=message, fix=fix)


def stop_texts(tokenizer: Any, folder: Path) -> list[str]:
    """The texts of the tokens that end an answer."""
    from executors.prompt.render import turn_end_id

    file = folder / "generation_config.json"
    said = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id") if file.is_file() else None
    ends = {*(said if isinstance(said, list) else [said]), turn_end_id(tokenizer), tokenizer.eos_token_id}
    return sorted({str(tokenizer.convert_ids_to_tokens(end)) for end in ends if end is not None})
