"""What every reader does: takes the tool's keys one by one, checks their form, and notes where they stand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from planner.documents.finding import Where
from planner.documents.review import Setting
from planner.review.settings import SETTINGS
from planner.survey.problems import pointer_to, problem, shown

if TYPE_CHECKING:
    from planner.documents import Finding
    from planner.review.source import Source

# A value that is put in later, such as ${LR}, {{ lr }} or `auto`, is unknown and not wrong.
_PLACEHOLDER = re.compile(r"\$|\{|^auto$|^<.*>$", re.IGNORECASE)
_SECRET = re.compile(r"(?:^|_)(?:token|api_key|password|secret)$")
_SECRET_VALUE = re.compile(r"^(?:hf_|sk-|ghp_|wandb_v1_)?[A-Za-z0-9_-]{20,}$")
_DTYPES = {
    "float32": "fp32", "fp32": "fp32", "float": "fp32", "float16": "fp16", "fp16": "fp16", "half": "fp16",
    "bfloat16": "bf16", "bf16": "bf16",
}  # fmt: skip
#: No setting of training is larger; what is, is a slip.
LARGEST = 10**15
_TRUE, _FALSE = frozenset({"true", "yes", "on"}), frozenset({"false", "no", "off"})


class Reading:
    """The settings of one file, as far as they have been read."""

    def __init__(self, source: Source, sections: tuple[str, ...] = ()) -> None:
        """Start reading.

        Args:
            source: the file.
            sections: mappings at the top level whose keys count as if they stood there.
        """
        self.source = source
        self.settings: dict[str, Setting] = {}
        self.findings: list[Finding] = []
        self._places: dict[str, str] = {}
        for prefix in ("", *(f"/{name}" for name in sections if isinstance(source.values.get(name), dict))):
            for key in self._at(prefix):
                self._places.setdefault(key, f"{prefix}{pointer_to(key)}")
        self._secrets()

    def _at(self, prefix: str) -> dict[str, Any]:
        return dict(self.source.values if not prefix else self.source.values[prefix[1:]])

    def raw(self, key: str) -> Any:
        """The value of a key as it stands in the file; None when it is absent or empty."""
        place = self._places.get(key)
        if place is None:
            return None
        section, _, _ = place[1:].rpartition("/")
        values = self.source.values[section] if section else self.source.values
        return values[key]

    def has(self, *keys: str) -> bool:
        """Whether one of the keys has a value."""
        return any(self.raw(key) is not None for key in keys)

    def got(self, name: str) -> Any:
        """The value of a setting that was read before; None when there is none."""
        setting = self.settings.get(name)
        return None if setting is None else setting.value

    def where(self, key: str) -> Where:
        """The place of a key, or of the whole file."""
        pointer = self._places.get(key)
        line = self.source.line(pointer) if pointer else None
        return Where(file=self.source.file, pointer=pointer, line=line)

    def put(self, name: str, value: Any, key: str, *, stated: bool = True, pointer: str | None = None) -> None:
        """Set a setting to a value that was derived from a key.

        Args:
            name: our name of it.
            value: nothing is set when it is None.
            key: the tool's name of it.
            stated: whether the file says so itself.
            pointer: its place, when that is not the key's own.
        """
        if value is None:
            return
        where = self.where(key)
        if pointer is not None:
            where = Where(file=self.source.file, pointer=pointer, line=self.source.line(pointer))
        self.settings[name] = Setting(value=value, name=key, where=where, stated=stated)

    def take(self, name: str, *keys: str, default: Any = None) -> Any:
        """Set a setting from the first of the tool's keys that has a value, else from the tool's default.

        Returns:
            The value, None when it is not known.
        """
        for key in keys:
            raw = self.raw(key)
            if raw is None or (isinstance(raw, str) and not raw.strip()):
                continue
            value = self._formed(name, key, raw)
            self.put(name, value, key)
            return value
        self.put(name, default, keys[0], stated=False)
        return default

    def same(self, name: str, *others: str) -> None:
        """Set a setting to the first of others that has a value, so that findings point there."""
        for other in others:
            if self.got(other):
                self.settings[name] = self.settings[other]
                return

    def dtype(self, name: str, *keys: str, default: str | None = None) -> str | None:
        """Set a setting that is a dtype; unknown words such as `auto` leave it unknown."""
        for key in keys:
            raw = self.raw(key)
            if raw is not None:
                value = _DTYPES.get(str(raw).rpartition(".")[2].lower())
                self.put(name, value, key)
                return value
        self.put(name, default, keys[0], stated=False)
        return default

    def _formed(self, name: str, key: str, raw: Any) -> Any:
        """The value in the form of its setting; None, and a finding, when it has another one."""
        kind = SETTINGS[name].kind
        made: Any = None
        if kind == "flag":
            made = _flag(raw)
        elif kind == "number":
            made = _number(raw)
        elif kind == "word":
            made = raw if isinstance(raw, str) else None if isinstance(raw, dict | list) else str(raw).lower()
        elif isinstance(raw, str):
            made = [part.strip() for part in raw.split(",") if part.strip()]
        elif isinstance(raw, list):
            made = [item for item in raw if isinstance(item, str | int | float)]
        if made is None and not (isinstance(raw, str) and _PLACEHOLDER.search(raw.strip())):
            self._wrong(key, raw, kind)
        return made

    def _wrong(self, key: str, raw: Any, kind: str) -> None:
        wanted = {"flag": "true or false", "number": "a number", "word": "a word", "list": "a list of words"}[kind]
        if isinstance(raw, str | int | float | bool):
            message = f"`{key}` is `{shown(str(raw))}`, which is not {wanted}."
            where = self.where(key)
            self.findings.append(
                problem("CONF031", message, f"Write {wanted}.", file=where.file, line=where.line, pointer=where.pointer)
            )

    def _secrets(self) -> None:
        """Note the first key that holds an access token; its value is not kept."""
        for key in self._places:
            raw = self.raw(key)
            if isinstance(raw, str) and _SECRET.search(key.lower()) and _SECRET_VALUE.match(raw):
                self.put("secret", key, key)
                return


def _flag(raw: Any) -> bool | None:
    if isinstance(raw, bool):
        return raw
    word = str(raw).lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _number(raw: Any) -> int | float | None:
    if isinstance(raw, bool):
        return None
    try:
        value = raw if isinstance(raw, int | float) else float(str(raw))
    except ValueError:
        return None
    return value if abs(value) <= LARGEST else None


def numbers_in(value: Any) -> list[float]:
    """Every number in a nested value, such as the gradients of a merge; names in it are left out."""
    if isinstance(value, bool):
        return []
    if isinstance(value, int | float):
        return [float(value)]
    if isinstance(value, list):
        return [number for item in value for number in numbers_in(item)]
    if isinstance(value, dict) and "value" in value:
        return numbers_in(value["value"])
    return []


def zero_stage(value: Any) -> tuple[str | None, str | None]:
    """Distribution and offload of a DeepSpeed configuration, inline or by the name of its file."""
    if isinstance(value, str):
        match = re.search(r"z(?:ero)?[_-]?(?:stage[_-]?)?([0-3])", value.lower())
        if match is None:
            return None, None
        offload = "parameters" if "offload" in value.lower() or "cpu" in value.lower() else "none"
        return ("ddp" if match[1] == "0" else f"zero-{match[1]}"), offload
    zero = value.get("zero_optimization") if isinstance(value, dict) else None
    stage = zero.get("stage") if isinstance(zero, dict) else None
    if not isinstance(zero, dict) or stage not in (0, 1, 2, 3):
        return None, None
    places = {name: (zero.get(f"offload_{name}") or {}) for name in ("param", "optimizer")}
    off = {name for name, item in places.items() if isinstance(item, dict) and item.get("device") in ("cpu", "nvme")}
    offload = "parameters" if "param" in off else "optimizer" if off else "none"
    return ("ddp" if stage == 0 else f"zero-{stage}"), offload


def attention_word(raw: Any) -> str | None:
    """Our word for an attention implementation."""
    word = str(raw).lower()
    if "flash" in word or word in ("fa2", "fa3"):
        return "flash"
    return next((name for name in ("sdpa", "eager", "flex", "xformers", "sage") if name in word), None)


def fsdp_offload(config: Any) -> str:
    """What FSDP moves to host memory."""
    values = config if isinstance(config, dict) else {}
    on = any(values.get(key) is True for key in ("fsdp_offload_params", "offload_params"))
    return "parameters" if on else "none"
