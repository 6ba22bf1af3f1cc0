"""Strict JSON with places: no duplicate keys, no NaN, no comments, no number that would be changed."""

from __future__ import annotations

import re
from bisect import bisect_right
from json import JSONDecodeError, JSONDecoder

from signoff.errors import NoteError
from signoff.model import Json
from signoff.note.lines import LINE_END
from signoff.note.places import MAX_DEPTH, Path, Place, Reading, brief, check_key, error_at
from signoff.note.scalars import NotExact, exact_float, exact_int

_DECODER = JSONDecoder(strict=True)
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORD = re.compile(r"true|false|null")
_VALUES: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class JsonComposer:
    """Composes one JSON text; `first_line` and `column_offset` say where it starts in the note."""

    def __init__(self, text: str, *, first_line: int, column_offset: int = 0) -> None:
        self._text = text
        self._first_line = first_line
        self._offset = column_offset
        self._starts = [0, *(match.end() for match in LINE_END.finditer(text))]
        self._places: dict[Path, Place] = {}
        self._raw: dict[Path, str] = {}

    def compose(self) -> Reading:
        """The one value of the text.

        Raises:
            NoteError: for what is not strict JSON.
        """
        start = self._skip(0)
        self._places[()] = self._place(start)
        value, end = self._value(start, (), 0)
        end = self._skip(end)
        if end != len(self._text):
            raise self._wrong(end, "There is text after the JSON value.", "Keep one value in the block.")
        return Reading(value, self._places, self._raw, {})

    def _place(self, index: int) -> Place:
        row = bisect_right(self._starts, index) - 1
        return Place(self._first_line + row, self._offset + index - self._starts[row] + 1)

    def _wrong(self, index: int, message: str, hint: str, code: str = "json-invalid") -> NoteError:
        return error_at(self._place(index), code, message, hint)

    def _skip(self, index: int) -> int:
        match = _SPACE.match(self._text, index)
        return match.end() if match else index

    def _value(self, index: int, path: Path, depth: int) -> tuple[Json, int]:
        char = self._text[index : index + 1]
        if char == '"':
            return self._string(index)
        if char in {"{", "["} and char:
            if depth >= MAX_DEPTH:
                message = f"Objects and lists are nested more than {MAX_DEPTH} levels deep."
                raise self._wrong(index, message, "Flatten them.", "yaml-too-deep")
            return self._object(index, path, depth) if char == "{" else self._list(index, path, depth)
        word = _WORD.match(self._text, index)
        if word:
            return _VALUES[word[0]], word.end()
        return self._number(index, path)

    def _number(self, index: int, path: Path) -> tuple[Json, int]:
        match = _NUMBER.match(self._text, index)
        if match is None:
            raise self._wrong(
                index,
                "A JSON value is expected here.",
                "JSON has no comments, no trailing commas and no single quotes; texts are in double quotes.",
            )
        try:
            value = exact_float(match[0]) if match[1] or match[2] else exact_int(match[0], 10)
        except NotExact:
            shown = match[0][:40]
            raise self._wrong(
                index,
                f"The number {shown} would be changed by reading it.",
                f'Put it in quotes: "{shown}".',
                "value-not-exact",
            ) from None
        self._raw[path] = match[0]
        return value, match.end()

    def _string(self, index: int) -> tuple[str, int]:
        text: str
        try:
            text, end = _DECODER.raw_decode(self._text, index)
        except JSONDecodeError as error:
            raise self._wrong(
                min(error.pos, len(self._text)),
                f"The text in quotes is not JSON: {error.msg}.",
                'Close the quote on the same line; write a line break as \\n and a quote as \\".',
            ) from None
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            raise self._wrong(
                index, "Half a character is escaped (a lone surrogate).", "Write the character itself."
            )
        return text, end

    def _list(self, index: int, path: Path, depth: int) -> tuple[list[Json], int]:
        items: list[Json] = []
        index = self._skip(index + 1)
        if self._text[index : index + 1] == "]":
            return items, index + 1
        while True:
            here = (*path, len(items))
            self._places[here] = self._place(index)
            value, index = self._value(index, here, depth + 1)
            items.append(value)
            index, ended = self._separator(index, "]")
            if ended:
                return items, index

    def _object(self, index: int, path: Path, depth: int) -> tuple[dict[str, Json], int]:
        values: dict[str, Json] = {}
        seen: dict[str, str] = {}
        index = self._skip(index + 1)
        if self._text[index : index + 1] == "}":
            return values, index + 1
        while True:
            if self._text[index : index + 1] != '"':
                raise self._wrong(
                    index,
                    "A key in double quotes is expected here.",
                    "JSON has no comments and no trailing commas.",
                )
            place = self._place(index)
            key, index = self._string(index)
            check_key(key, path, seen, place)
            here = (*path, key)
            self._places[here] = place
            index = self._skip(index)
            if self._text[index : index + 1] != ":":
                raise self._wrong(index, "A colon is missing after the key.", f'Write "{brief(key)}": value.')
            values[key], index = self._value(self._skip(index + 1), here, depth + 1)
            index, ended = self._separator(index, "}")
            if ended:
                return values, index

    def _separator(self, index: int, close: str) -> tuple[int, bool]:
        """The start of the next element, or the end after `close`."""
        index = self._skip(index)
        char = self._text[index : index + 1]
        if char == close:
            return index + 1, True
        if char != ",":
            raise self._wrong(index, f"A comma or `{close}` is missing here.", "Add it.")
        return self._skip(index + 1), False
