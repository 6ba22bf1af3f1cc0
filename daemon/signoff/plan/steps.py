"""One step as its author wrote it: keys, types, and where each stands.

The keys follow GitHub Actions. Nothing is converted by goodwill: an unknown key, a wrong type, a
duration without a unit or an empty value is a question with its line, because what is silently
ignored is not what the author meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from signoff import limits
from signoff.config.durations import parse_duration
from signoff.config.section import kind_of, suggestion
from signoff.errors import NoteError, SignoffError
from signoff.flow import MOST_ITEMS
from signoff.model import Json, Step
from signoff.note.places import Path, Place
from signoff.plan.expressions import CLOSE, OPEN, only_expression
from signoff.plan.placeholders import placeholders_in

STEP_KEYS = (
    "id",
    "action",
    "with",
    "needs",
    "if",
    "for_each",
    "timeout",
    "retries",
    "fallback",
    "continue_on_error",
    "undo",
    "limits",
)
STEP_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
LONGEST_TIMEOUT = 7 * 86_400.0
"""Seconds."""
MOST_RETRIES = 100
LONGEST_ACTION = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """A mapping in a note, and where its parts stand.

    Attributes:
        values: its keys.
        places: of the block it is in, by path.
        prefix: the path of the mapping within that block.
        line: where the mapping begins; for what has no place of its own.
        what: how messages call it: `step 2`.
    """

    values: Mapping[str, Json]
    places: Mapping[Path, Place]
    prefix: Path
    line: int
    what: str

    @classmethod
    def of(cls, value: Json, places: Mapping[Path, Place], prefix: Path, line: int, what: str) -> Source:
        """The mapping that a step is to be read from.

        Raises:
            NoteError: `wrong-type`, where the value is no mapping.
        """
        source = cls(value if isinstance(value, dict) else {}, places, prefix, line, what)
        if isinstance(value, dict):
            return source
        raise source.question(
            "wrong-type",
            f"{what.capitalize()} must be a group of `key: value` lines, not {kind_of(value)}.",
            hint="Begin with a line `action: NAME`.",
        )

    def question(self, code: str, message: str, *keys: str | int, hint: str = "") -> NoteError:
        """The error for what stands under these keys, or for the whole mapping."""
        place = self.places.get((*self.prefix, *keys))
        line, column = (place.line, place.column) if place is not None else (self.line, None)
        return NoteError(message, code=code, hint=hint, line=line, column=column)

    def holding(self, values: Mapping[str, Json]) -> Source:
        """The same place with these keys only."""
        return replace(self, values=values)

    def wrong_type(self, key: str, wanted: str, hint: str = "") -> NoteError:
        """The error for a value of a kind that the key does not take."""
        given = kind_of(self.values[key])
        return self.question(
            "wrong-type", f"`{key}` of {self.what} must be {wanted}, not {given}.", key, hint=hint
        )

    def only(self, known: tuple[str, ...]) -> None:
        """Refuse an unknown key, naming the nearest one that is known."""
        for key in self.values:
            if key not in known:
                message = f"{self.what.capitalize()} has an unknown key `{key[:60]}`."
                raise self.question("unknown-key", message, key, hint=suggestion(key, known))

    def text(self, key: str) -> str:
        """A text that is not empty."""
        value = self.values[key]
        if not isinstance(value, str) or not value.strip():
            hint = f'Put it in quotes: `{key}: "{value}"`.' if isinstance(value, int | float) else ""
            raise self.wrong_type(key, "a text", hint)
        return value.strip()

    def texts(self, key: str) -> tuple[str, ...]:
        """One text or a list of texts, each once."""
        value = self.values[key]
        entries = value if isinstance(value, list) else [value]
        if not all(isinstance(entry, str) and entry.strip() for entry in entries):
            raise self.wrong_type(key, "a text or a list of texts")
        return tuple(dict.fromkeys(str(entry).strip() for entry in entries))

    def mapping(self, key: str) -> Mapping[str, Json]:
        """A mapping; an empty one where nothing is written after the key."""
        value = self.values[key]
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.wrong_type(key, "a group of `key: value` lines")
        return value

    def get(self, key: str, read: Callable[[str], T], default: T) -> T:
        """What a key says, or the default where it is absent."""
        return read(key) if key in self.values else default


def read_step(source: Source, number: int, *, name: str, line: int, checkbox: int | None = None) -> Step:
    """A step from its mapping.

    Args:
        source: the mapping.
        number: its place among the steps, from 1.
        name: what the note calls it; the action where that is empty.
        line: the line that it begins on, its item's where it has one.
        checkbox: byte offset of the mark on its own line, if it has one.

    Raises:
        NoteError: with the line and column of the key.
    """
    source.only(STEP_KEYS)
    action = read_action(source)
    return Step(
        id=source.get("id", lambda key: _id(source, key), f"step-{number}"),
        name=name or action,
        action=action,
        arguments=_arguments(source),
        needs=source.get("needs", source.texts, ()),
        condition=source.get("if", lambda key: _condition(source, key), None),
        for_each=source.get("for_each", lambda key: _for_each(source, key), None),
        timeout=source.get("timeout", lambda key: _timeout(source, key), None),
        retries=source.get("retries", lambda key: _retries(source, key), None),
        fallback=source.get("fallback", lambda key: _fallback(source, key), ()),
        continue_on_error=source.get("continue_on_error", lambda key: _flag(source, key), False),
        undo=source.get("undo", lambda key: _undo(source, key), None),
        limits=source.get("limits", lambda key: _limits(source, key), None),
        line=line,
        checkbox=checkbox,
    )


def read_action(source: Source) -> str:
    """The name of the action.

    Raises:
        NoteError: `action-missing`, or what is wrong with it.
    """
    if source.values.get("action") in (None, ""):
        raise source.question(
            "action-missing",
            f"{source.what.capitalize()} does not say which action it is.",
            hint="Add a line such as `action: send_email` or `action: server.tool`.",
        )
    action = source.text("action")
    if len(action) > LONGEST_ACTION or OPEN in action or not action.isprintable():
        raise source.question(
            "action-invalid",
            f"`action` of {source.what} must be the name of one action, written out.",
            "action",
            hint="Write an action of the catalogue, or a tool as `server.tool`.",
        )
    return action


def _arguments(source: Source) -> dict[str, Json]:
    """What is written under `with`; nothing where there is none."""
    arguments = dict(source.mapping("with")) if "with" in source.values else {}
    _refuse_placeholders(source, "with", arguments)
    return arguments


def _refuse_placeholders(source: Source, key: str, value: Json) -> None:
    """What a template left to be filled in is never meant."""
    for path, found in placeholders_in(value):
        inside = f", `{path[0]}`" if path and isinstance(path[0], str) else ""
        raise source.question(
            "placeholder",
            f"`{key}` of {source.what}{inside} is still to be filled in: `{found}`.",
            key,
            *path,
            hint="Write what is meant in its place.",
        )


def _id(source: Source, key: str) -> str:
    step_id = source.text(key)
    if not STEP_ID.fullmatch(step_id):
        raise source.question(
            "step-id-invalid",
            f"`{step_id[:80]}` cannot be the id of a step.",
            key,
            hint="Use at most 64 letters (a to z), digits, `_` and `-`, beginning with a letter.",
        )
    return step_id


def _expression(source: Source, key: str) -> str:
    """An expression with or without its `${{ }}`."""
    written = source.text(key)
    expression = only_expression(written) if OPEN in written else written
    if expression is None:
        raise source.question(
            "expression-invalid",
            f"`{key}` of {source.what} must be one expression as a whole.",
            key,
            hint=f"Write all of it inside one `{OPEN} {CLOSE}`.",
        )
    return expression.strip()


def _condition(source: Source, key: str) -> str:
    value = source.values[key]
    return str(value).lower() if isinstance(value, bool) else _expression(source, key)


def _limits(source: Source, key: str) -> str:
    expression = _expression(source, key)
    try:
        limits.check(expression)
    except SignoffError as error:
        message = f"`limits` of {source.what} cannot be used: {error.message}"
        raise source.question("limit-invalid", message, key, hint=error.hint) from error
    return expression


def _for_each(source: Source, key: str) -> Json:
    value = source.values[key]
    _refuse_placeholders(source, key, value)
    if isinstance(value, list) and len(value) > MOST_ITEMS:
        raise source.question(
            "too-many-items",
            f"`for_each` of {source.what} has {len(value):,} items; it can have {MOST_ITEMS:,} at most.",
            key,
            hint="Make several steps or several plans of it.",
        )
    if isinstance(value, list) or (isinstance(value, str) and only_expression(value.strip()) is not None):
        return value.strip() if isinstance(value, str) else value
    raise source.wrong_type(key, "a list, or one expression that gives a list")


def _timeout(source: Source, key: str) -> float:
    value = source.values[key]
    if not isinstance(value, str):
        hint = f"Write `{value}s` for seconds or `{value}m` for minutes." if isinstance(value, int) else ""
        raise source.wrong_type(key, "a duration such as `30s` or `5m`", hint)
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise source.question("wrong-type", f"`timeout` of {source.what}: {error}", key) from error
    if not 0 < seconds <= LONGEST_TIMEOUT:
        raise source.question(
            "wrong-type", f"`timeout` of {source.what} must be more than 0 and at most 7d.", key
        )
    return seconds


def _retries(source: Source, key: str) -> int:
    value = source.values[key]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_RETRIES:
        raise source.wrong_type(key, f"a whole number from 0 to {MOST_RETRIES}")
    return value


def _fallback(source: Source, key: str) -> tuple[str, ...]:
    names = source.texts(key)
    for name in names:
        if OPEN in name or not name.isprintable() or len(name) > LONGEST_ACTION:
            raise source.wrong_type(key, "tools as `server.tool`")
    return names


def _flag(source: Source, key: str) -> bool:
    value = source.values[key]
    if not isinstance(value, bool):
        raise source.wrong_type(key, "`true` or `false`")
    return value


def _undo(source: Source, key: str) -> Mapping[str, Json]:
    value = source.values[key]
    if not isinstance(value, dict):
        raise source.wrong_type(key, "a group of lines with `action` and `with`")
    inner = Source(value, source.places, (*source.prefix, key), source.line, f"`undo` of {source.what}")
    inner.only(("action", "with"))
    return {"action": read_action(inner), "with": _arguments(inner)}
