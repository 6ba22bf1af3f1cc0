"""The form that a server asks a person to fill in: its fields, and what was typed, read strictly. Pure.

A question of the protocol (`elicitation/create`) brings a flat JSON schema: texts, numbers, yes or no, one
choice or several. `read_form` makes fields of it or refuses the whole; `read_answers` makes the answer of
what was typed, or says field by field what does not fit. Nothing is guessed: what is typed is the value, one
of the choices (by its value, its title or its number), or wrong. A field that is left empty has its default,
or is left out.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import cast
from urllib.parse import urlsplit

from signoff.errors import SignoffError
from signoff.model import Json, JsonObject

LARGEST = 64 * 1024
"""Bytes of a schema; nobody fills in a longer form."""
MOST_FIELDS = 20
MOST_CHOICES = 100
LONGEST_NAME = 100
"""Characters of a field's name, its title, or a choice."""
LONGEST_WORDS = 1000
"""Characters of a field's description that are shown."""
LONGEST_TEXT = 10_000
"""Characters that one field may hold."""

LONGEST_URL = 2000

_EXACT = 2**53 - 1

_STRANGE = re.compile(r"[\s\x00-\x1f\\]")
"""Not in an address: browsers take a backslash for a slash, and so for the end of the host."""
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_NESTED = frozenset(
    {"$ref", "allOf", "not", "if", "properties", "patternProperties", "prefixItems", "contains", "const"}
)
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,17}(?:\.[0-9]{0,17})?|\.[0-9]{1,17})(?:[eE][+-]?[0-9]{1,3})?")
_EMAIL = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")
_YES, _NO = frozenset({"yes", "y", "true"}), frozenset({"no", "n", "false"})


class Kind(StrEnum):
    """What a field takes; the values are the words for it."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    YES_NO = "yes or no"
    ONE = "one of"
    SEVERAL = "any of"


class FormRefused(SignoffError):
    """A question that cannot be put to a person as it is."""

    code = "question-unusable"


class Misfit(ValueError):
    """What was typed does not fit its field; the message says why, in plain words."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values that may be chosen, and what it is called."""

    value: str
    title: str


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a form.

    Attributes:
        name: as the server knows it.
        title: what it is called; the name where the server gave no title.
        default: what an empty field stands for; None where it stands for nothing.
        least, most: bounds of a number, of a text's length, or of how many are chosen; None for none.
        format: `email`, `uri`, `date` or `date-time` of a text; empty for any.
    """

    name: str
    kind: Kind
    title: str
    description: str = ""
    required: bool = False
    default: Json = None
    choices: tuple[Choice, ...] = ()
    least: float | None = None
    most: float | None = None
    format: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """All fields, in the order of the schema."""

    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """What was typed, read: the values to send, or by field what is wrong."""

    content: JsonObject = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------- from a schema


def read_form(schema: Json) -> Form:
    """The fields of a requested schema.

    Raises:
        FormRefused: it is no flat form, or larger than anybody would fill in.
    """
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise FormRefused("What it asks for is not a form.")
    if _size(schema) > LARGEST:
        raise FormRefused("The form it asks for is too large.")
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise FormRefused("The form it asks for cannot be read.")
    if len(properties) > MOST_FIELDS:
        raise FormRefused(f"The form has {len(properties)} fields; up to {MOST_FIELDS} are asked for.")
    missing = [name for name in required if name not in properties]
    if missing:
        raise FormRefused("The form requires a field that it does not have.")
    return Form(tuple(_field(name, spec, required=name in required) for name, spec in properties.items()))


def _size(schema: JsonObject) -> int:
    try:
        return len(json.dumps(schema, ensure_ascii=False).encode())
    except (UnicodeEncodeError, RecursionError) as error:
        raise FormRefused("The form it asks for cannot be read.") from error


def _field(name: str, spec: Json, *, required: bool) -> Field:
    if not isinstance(spec, dict) or _NESTED & set(spec):
        raise FormRefused(f"The field `{name[:LONGEST_NAME]}` is not a simple one.")
    if not name.strip() or len(name) > LONGEST_NAME:
        raise FormRefused("A field has no name, or one that is too long.")
    kind, choices = _kind(name, spec)
    least, most = _bounds(kind, spec)
    found = Field(
        name=name,
        kind=kind,
        title=_words(spec, "title", LONGEST_NAME) or name,
        description=_words(spec, "description", LONGEST_WORDS),
        required=required,
        choices=choices,
        least=least,
        most=most,
        format=_words(spec, "format", LONGEST_NAME) if kind is Kind.TEXT else "",
    )
    return _with_default(found, spec.get("default"))


def _kind(name: str, spec: JsonObject) -> tuple[Kind, tuple[Choice, ...]]:
    """What a field takes, and among what."""
    given = spec.get("type")
    if given == "array":
        items = spec.get("items")
        choices = _choices(name, items) if isinstance(items, dict) else ()
        if choices:
            return Kind.SEVERAL, choices
    elif (given is None or given == "string") and ("enum" in spec or "oneOf" in spec or "anyOf" in spec):
        choices = _choices(name, spec)
        if choices:
            return Kind.ONE, choices
    elif isinstance(given, str) and "enum" not in spec:
        plain = {"string": Kind.TEXT, "integer": Kind.WHOLE, "number": Kind.NUMBER, "boolean": Kind.YES_NO}
        if given in plain:
            return plain[given], ()
    raise FormRefused(f"The field `{name}` is of a kind that cannot be asked for in a note.")


def _choices(name: str, spec: JsonObject) -> tuple[Choice, ...]:
    """The choices of an enumeration in any of its forms: plain, titled, and with names beside it."""
    listed = spec.get("enum")
    if isinstance(listed, list):
        names = spec.get("enumNames")
        titles = names if isinstance(names, list) and len(names) == len(listed) else listed
        pairs = list(zip(listed, titles, strict=True))
    else:
        titled = spec.get("oneOf", spec.get("anyOf"))
        options = titled if isinstance(titled, list) else []
        pairs = [
            (option.get("const"), option.get("title", option.get("const")))
            for option in options
            if isinstance(option, dict)
        ]
        if len(pairs) != len(options):
            pairs = []
    if len(pairs) > MOST_CHOICES:
        raise FormRefused(f"The field `{name}` has {len(pairs)} choices; up to {MOST_CHOICES} are asked for.")
    choices = tuple(
        Choice(value, title)
        for value, title in pairs
        if isinstance(value, str) and isinstance(title, str) and max(len(value), len(title)) <= LONGEST_NAME
    )
    complete = len(choices) == len(pairs) == len({choice.value for choice in choices})
    return choices if complete else ()


def _bounds(kind: Kind, spec: JsonObject) -> tuple[float | None, float | None]:
    names = {
        Kind.TEXT: ("minLength", "maxLength"),
        Kind.SEVERAL: ("minItems", "maxItems"),
        Kind.WHOLE: ("minimum", "maximum"),
        Kind.NUMBER: ("minimum", "maximum"),
    }.get(kind)
    if names is None:
        return None, None
    least, most = (_number(spec.get(name)) for name in names)
    return least, most


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -sys.float_info.max <= value <= sys.float_info.max else None


def _words(spec: JsonObject, key: str, most: int) -> str:
    value = spec.get(key)
    return " ".join(value.split())[:most] if isinstance(value, str) else ""


def _with_default(found: Field, default: Json) -> Field:
    """The field with its default, where that is a value it could have been given."""
    fits = {
        Kind.TEXT: lambda: isinstance(default, str) and _typed_text(found, default) == default,
        Kind.WHOLE: lambda: _number(default) is not None and float(cast("float", default)).is_integer(),
        Kind.NUMBER: lambda: _number(default) is not None,
        Kind.YES_NO: lambda: isinstance(default, bool),
        Kind.ONE: lambda: default in [choice.value for choice in found.choices],
        Kind.SEVERAL: lambda: isinstance(default, list) and _known(found, default),
    }
    try:
        if default is None or not fits[found.kind]():
            return found
        if found.kind in {Kind.WHOLE, Kind.NUMBER}:
            _within(found, cast("float", default))
            if isinstance(default, int) and abs(default) > _EXACT:
                return found  # not every program that reads it would read the same
    except Misfit:
        return found
    named = {name: getattr(found, name) for name in Field.__slots__}
    return Field(**{**named, "default": default})


def _known(found: Field, chosen: Sequence[Json]) -> bool:
    values = [choice.value for choice in found.choices]
    within = (found.least or 0) <= len(chosen) <= (len(values) if found.most is None else found.most)
    return within and all(value in values for value in chosen) and len({*map(str, chosen)}) == len(chosen)


def require_address(url: str) -> None:
    """Is this an address that a person may be shown?

    Raises:
        FormRefused: it is not; the question is declined.
    """
    try:
        parts = urlsplit(url)
        host, user = parts.hostname or "", parts.username
    except ValueError:
        host, user, parts = "", None, urlsplit("")
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOCAL)
    strange = len(url) > LONGEST_URL or _STRANGE.search(url) is not None
    if not host or not safe or user is not None or strange:
        raise FormRefused("It wants you to go to an address that is not a plain https one.")


# ---------------------------------------------------------------- from what was typed


def read_answers(form: Form, typed: Mapping[str, str]) -> Answers:
    """What was typed into a form, by the field's name; a field that is not there was left empty."""
    content: JsonObject = {}
    problems: dict[str, str] = {}
    for each in form.fields:
        text = typed.get(each.name, "").strip()
        if not text:
            if each.default is not None:
                content[each.name] = each.default
            elif each.required:
                problems[each.name] = "this must be filled in"
            continue
        try:
            content[each.name] = value_of(each, text)
        except Misfit as misfit:
            problems[each.name] = str(misfit)
    return Answers({} if problems else content, problems)


def value_of(each: Field, text: str) -> Json:
    """The value that was typed into a field.

    Raises:
        Misfit: it does not fit.
    """
    text = text.strip()
    match each.kind:
        case Kind.TEXT:
            return _typed_text(each, text)
        case Kind.WHOLE | Kind.NUMBER:
            return _typed_number(each, text)
        case Kind.YES_NO:
            return _typed_yes_or_no(text)
        case Kind.ONE:
            return _chosen(each, text)
    return _several(each, text)


def _typed_text(each: Field, text: str) -> str:
    most = LONGEST_TEXT if each.most is None else min(each.most, LONGEST_TEXT)
    if len(text) > most:
        raise Misfit(f"this has {len(text)} characters; up to {most:g} are allowed")
    if each.least is not None and len(text) < each.least:
        raise Misfit(f"this has {len(text)} characters; at least {each.least:g} are needed")
    if not _FORMATS.get(each.format, lambda _: True)(text):
        raise Misfit(f"this is not {FORMAT_WORDS[each.format]}")
    return text


def _is_uri(text: str) -> bool:
    try:
        return bool(urlsplit(text).scheme) and not re.search(r"\s", text)
    except ValueError:
        return False


def _is_date(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d{2}-\d{2}", text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


_FORMATS = {
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "uri": _is_uri,
    "date": _is_date,
    "date-time": _is_moment,
}
FORMAT_WORDS = {
    "email": "an email address",
    "uri": "an address such as https://example.com",
    "date": "a date such as 2026-11-30",
    "date-time": "a time such as 2026-11-30T14:00:00+01:00",
}
"""What a text of each format is, for people."""


def _typed_number(each: Field, text: str) -> int | float:
    if _WHOLE.fullmatch(text):
        value: int | float = int(text)
    elif each.kind is Kind.WHOLE:
        raise Misfit("this is not a whole number")
    elif _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        value = float(text)
    else:
        raise Misfit("this is not a number; write it like 3.5")
    _within(each, value)
    return value


def _within(each: Field, value: float) -> None:
    if each.least is not None and value < each.least:
        raise Misfit(f"this must be at least {each.least:g}")
    if each.most is not None and value > each.most:
        raise Misfit(f"this must be at most {each.most:g}")


def _typed_yes_or_no(text: str) -> bool:
    said = text.lower()
    if said not in _YES | _NO:
        raise Misfit("write `yes` or `no`")
    return said in _YES


def _chosen(each: Field, text: str) -> str:
    """The one choice that is meant: its exact value, its title, either in any case, or its number."""
    for fitting in (
        [choice for choice in each.choices if choice.value == text],
        [choice for choice in each.choices if choice.title == text],
        [choice for choice in each.choices if text.casefold() in _spoken(choice)],
    ):
        if len(fitting) == 1:
            return fitting[0].value
    if text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= len(each.choices):
        return each.choices[int(text) - 1].value
    raise Misfit("this is not one of the choices")


def _spoken(choice: Choice) -> set[str]:
    return {choice.value.casefold(), choice.title.casefold()}


def _several(each: Field, text: str) -> list[Json]:
    try:
        chosen = [_chosen(each, text)]  # a single one may have a comma in its name
    except Misfit:
        chosen = [_chosen(each, part.strip()) for part in text.split(",") if part.strip()]
    values: list[Json] = list(dict.fromkeys(chosen))
    if each.least is not None and len(values) < each.least:
        raise Misfit(f"choose at least {each.least:g}")
    if each.most is not None and len(values) > each.most:
        raise Misfit(f"choose at most {each.most:g}")
    return values
