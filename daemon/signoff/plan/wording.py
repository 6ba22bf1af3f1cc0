"""Violations of a schema in words for the person who wrote the arguments.

A problem names the argument as it was written, says what it is, what it must be, and where it is
plain what to write instead. Values are shown bounded; they stand in the note already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema.exceptions import ValidationError, best_match

from signoff.config.section import nearest
from signoff.model import Json, Tool
from signoff.plan.expressions import Path
from signoff.plan.validator import extra_properties

_TYPES = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a group of `key: value` lines",
    "null": "null",
}
_BOUNDS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "pattern": "must match the pattern `{}`",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the arguments of a call.

    Attributes:
        code: `argument-missing`, `argument-unknown` or `argument-invalid`.
        path: where, in the tool's argument names; empty for the arguments as a whole.
        message, hint: as in every error of the program.
    """

    code: str
    path: Path
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """How the arguments of one tool are spoken of."""

    tool: Tool
    name: str
    written_as: Mapping[str, str]

    def tell(self, error: ValidationError, values: Mapping[str, Json]) -> list[Problem]:
        """A violation as problems."""
        where: Path = tuple(error.absolute_path)
        if error.validator == "required":
            names = error.validator_value if isinstance(error.validator_value, list) else []
            present = _mapping(error.instance)
            return [self.missing(where, name) for name in names if name not in present]
        if error.validator == "additionalProperties" and error.validator_value is False:
            extras = extra_properties(_mapping(error.instance), _mapping(error.schema))
            return [self.unknown(where, name, values) for name in extras]
        what = _in_words(error)
        return [
            Problem("argument-invalid", where, f"{self._of(where)} {what}.", _unquote(error))
            if where
            else Problem(
                "argument-invalid", where, f"The arguments of `{self.name}` do not fit: they {what}."
            )
        ]

    def unknown(self, where: Path, name: str, values: Mapping[str, Json]) -> Problem:
        """An argument that the tool does not take."""
        known = self._known(where)
        free = [other for other in known if other not in values] if not where else known
        close = nearest(name, free) or nearest(name, known)
        takes = ", ".join(f"`{self._written(where, other)}`" for other in known[:20]) or "none"
        hint = f"Did you mean `{self._written(where, close[0])}`?" if close else f"It takes {takes}."
        message = f"`{self.name}` has no argument `{self._path((*where, name))}`."
        return Problem("argument-unknown", (*where, name), message, hint)

    def missing(self, where: Path, name: str) -> Problem:
        """A required argument that is not there."""
        written = self._path((*where, name))
        described = _listed(self.tool.input_schema, where).get(name)
        kind = _kinds(described.get("type")) if isinstance(described, dict) else ""
        message = f"`{self.name}` needs the argument `{written}`{f', {kind}' if kind else ''}."
        hint = f"Add `{name}` to `{self._path(where)}`." if where else f"Add `{written}:` under `with:`."
        return Problem("argument-missing", (*where, name), message, hint)

    def _known(self, where: Path) -> list[str]:
        """The names that the schema lists at a place; none where it is not a plain one."""
        schema: Any = self.tool.input_schema
        for part in where:
            schema = (
                schema.get("items" if isinstance(part, int) else "properties", {})
                if isinstance(schema, dict)
                else {}
            )
            schema = schema.get(part, {}) if isinstance(part, str) and isinstance(schema, dict) else schema
        names = schema.get("properties", {}) if isinstance(schema, dict) else {}
        return list(names) if isinstance(names, dict) else []

    def _of(self, where: Path) -> str:
        return f"The argument `{self._path(where)}` of `{self.name}`"

    def _written(self, where: Path, name: str) -> str:
        return name if where else self.written_as.get(name, name)

    def _path(self, path: Path) -> str:
        first, *rest = path
        return path_in_words((self.written_as.get(str(first), first), *rest))


def path_in_words(path: Path) -> str:
    """A path as people write it: `address.lines[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _listed(schema: Any, where: Path) -> Mapping[str, Any]:
    """The properties that a schema lists at a place, as far as it lists them plainly."""
    for part in where:
        schema = _mapping(schema).get("items" if isinstance(part, int) else "properties")
        schema = _mapping(schema).get(part) if isinstance(part, str) else schema
    return _mapping(_mapping(schema).get("properties"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _in_words(error: ValidationError) -> str:
    """What a value violates, after the name of its argument."""
    given = _shown(error.instance)
    match error.validator:
        case "type":
            return f"must be {_kinds(error.validator_value)}; it is {given}"
        case "enum" if isinstance(error.validator_value, list):
            allowed = ", ".join(_quoted(value) for value in error.validator_value[:20])
            return f"must be one of {allowed}; it is {given}"
        case "const":
            return f"must be {_quoted(error.validator_value)}; it is {given}"
        case "anyOf" | "oneOf":
            return _of_alternatives(error, given)
        case "uniqueItems":
            return "has an item twice"
        case str(name) if name in _BOUNDS:
            return f"{_BOUNDS[name].format(str(error.validator_value)[:100])}; it is {given}"
    return f"does not fit the tool's schema (`{error.validator}`); it is {given}"


def _of_alternatives(error: ValidationError, given: str) -> str:
    """What a value that fits none (or more than one) of several forms violates."""
    forms = error.validator_value if isinstance(error.validator_value, list) else []
    types = [form.get("type") for form in forms if isinstance(form, dict)]
    if not error.context:
        return f"fits more than one of the forms that the tool tells apart; it is {given}"
    if len(types) == len(forms) and all(types):
        wrong = all(inner.validator == "type" and not inner.path for inner in error.context)
        if wrong:
            return f"must be {' or '.join(_kinds(kind) for kind in types)}; it is {given}"
    closest = best_match(error.context)
    inner = tuple(closest.path) if closest is not None else ()
    what = _in_words(closest) if closest is not None and closest.validator not in {"anyOf", "oneOf"} else ""
    where = f" at `{path_in_words(inner)}`" if inner else ""
    return f"fits none of the forms that the tool takes{where}{f': it {what}' if what else ''}"


def _kinds(types: Any) -> str:
    """Types of JSON Schema in words."""
    names = types if isinstance(types, list) else [types]
    return " or ".join(_TYPES.get(name, "") if isinstance(name, str) else "" for name in names)


def _shown(value: Any) -> str:
    """What a value is, bounded: it stands in the note already, but may be long."""
    if isinstance(value, str):
        return f'the text "{value[:60]}{"…" if len(value) > 60 else ""}"'
    if value is None or isinstance(value, bool):
        return _quoted(value)
    if isinstance(value, int | float):
        return f"the number {value}"
    return f"a list of {len(value)}" if isinstance(value, list) else _TYPES["object"]


def _quoted(value: Any) -> str:
    """A value as it is written in a note."""
    words = {None: "null", True: "true", False: "false"}
    plain = words[value] if value is None or isinstance(value, bool) else str(value)
    return f"`{plain[:60]}`"


def _unquote(error: ValidationError) -> str:
    """What to write instead, where it is plain."""
    value, wanted = error.instance, error.validator_value
    if error.validator == "enum" and isinstance(value, str) and isinstance(wanted, list):
        close = nearest(value, [word for word in wanted if isinstance(word, str)])
        return f"Did you mean `{close[0]}`?" if close else ""
    if error.validator != "type" or not isinstance(wanted, str):
        return ""
    if isinstance(value, int | float | bool) and wanted == "string":
        return f'Put it in quotes: `"{_quoted(value).strip("`")}"`.'
    if wanted == "array" and not isinstance(value, dict | list):
        return f"Write it as a list: `[{_quoted(value).strip('`')}]`."
    if (
        isinstance(value, str)
        and wanted in {"number", "integer", "boolean"}
        and _is_written_as(value, wanted)
    ):
        return f"Write it without quotes: `{value}`."
    return ""


def _is_written_as(text: str, kind: str) -> bool:
    """Whether a text would be of that kind without its quotes."""
    if kind == "boolean":
        return text in {"true", "false"}
    digits = text.removeprefix("-")
    return digits.isascii() and digits.replace(".", "", kind == "number").isdigit()
