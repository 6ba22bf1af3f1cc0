"""What a note says by name, wherever it says it: keys, bold labels, rows of tables, short headings.

    to: ana@example.com             # a key of the front matter
    - **To:** ana@example.com       # a bold label, with or without the list mark
    | To | ana@example.com |        # a row of a table of two columns
    - to: ana@example.com           # an item of a list under **Parameters:**
    ## Recipient                    # a heading with one line under it
    ana@example.com

A field is only a name, a value and a place. Which argument it is, and whether it is one at all, is
decided in `arguments` for the action that the note asks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from signoff.catalogue import Catalogue, fold_key
from signoff.errors import NoteError
from signoff.model import Json
from signoff.note.document import Front, Note
from signoff.plan.dialects.body import BLANK, TEXT, Body, Row, Section, body_of

LABEL = re.compile(
    r"[ \t]{0,8}(?P<mark>(?:[-*+]|\d{1,3}[.)])[ \t]+)?(?P<box>\[[^\]]\][ \t]+)?"
    r"(?:\*\*|__)(?P<name>[^*:|\n]{1,60}?)[ \t]*(?::[ \t]*(?:\*\*|__)|(?:\*\*|__)[ \t]*:)"
    r"[ \t]*(?P<value>.*)\Z"
)
"""A bold label with its colon within or after the bold."""
_ROW = re.compile(r"[ \t]{0,3}\|.*\|[ \t]*\Z")
_CELL = re.compile(r"(?<!\\)\|")
_QUOTED = re.compile(r'"[^"\\]*"')
_ITEM = re.compile(r"[ \t]{0,8}[-*+][ \t]+(?P<name>`?[A-Za-z_][\w-]{0,60}`?)[ \t]*:[ \t]+(?P<value>\S.*)\Z")
PARAMETERS = frozenset(
    {"parameters", "params", "arguments", "args", "inputs", "tool_inputs", "tool_parameters"}
)
"""Labels under which the arguments of a call stand as items of a list."""
_DASHES = re.compile(r"[ \t]*:?-+:?[ \t]*\Z")
_LONGEST = 100_000


@dataclass(frozen=True, slots=True)
class Field:
    """A name with a value.

    Attributes:
        name, key: as written and folded.
        value: as written; a number of the front matter as it was typed.
        line, column: where the value stands.
        form: `front`, `label`, `table`, `parameter` (an item), `heading` or `entry` (of a structure).
        section: index of the section it stands in; -1 in the front matter.
        row: index of its row in the body; -1 in the front matter.
    """

    name: str
    key: str
    value: Json
    line: int
    column: int | None
    form: str
    section: int = -1
    row: int = -1
    bulleted: bool = False


def question_on(code: str, field: Field, message: str, hint: str) -> NoteError:
    """The error for what a field says, or does not say."""
    return NoteError(message, code=code, hint=hint, line=field.line, column=field.column)


@dataclass(frozen=True)
class Material:
    """A note as all dialects read it, with what takes time to work out worked out once."""

    note: Note
    catalogue: Catalogue
    taken: frozenset[int] = field(default_factory=frozenset)

    @cached_property
    def body(self) -> Body:
        """Its body."""
        return body_of(self.note)

    @cached_property
    def front(self) -> tuple[Field, ...]:
        """The keys of the front matter."""
        return tuple(front_fields(self.note.front)) if self.note.front else ()

    @cached_property
    def front_by_key(self) -> dict[str, Field]:
        """The keys of the front matter, folded."""
        return {field.key: field for field in self.front}

    @cached_property
    def labels(self) -> tuple[Field, ...]:
        """Bold labels and rows of tables in the author's own sections."""
        return tuple(_body_fields(self.body))

    @cached_property
    def named_servers(self) -> dict[int, Field]:
        """The label that names a server, by its section."""
        keys = {"mcp_server", "server", "server_name"}
        return {label.section: label for label in reversed(self.labels) if label.key in keys}

    def says(self, key: str) -> str:
        """A word of the front matter, folded; empty where there is none."""
        found = self.front_by_key.get(key)
        return fold_key(found.value) if found and isinstance(found.value, str) else ""


def front_fields(front: Front) -> Iterator[Field]:
    """The top-level keys, numbers and booleans as typed."""
    for name, value in front.values.items():
        place = front.places.get((name,))
        typed: Json = front.raw.get((name,), value) if not isinstance(value, bool) else value
        line, column = (place.line, place.column) if place else (1, None)
        yield Field(name, fold_key(name), typed, line, column, "front")


def _body_fields(body: Body) -> Iterator[Field]:
    for number, section in enumerate(body.sections):
        if section.theirs:
            continue
        yield from _labels(body.own_rows(section), number, section.first)
        yield from _table_rows(body.own_rows(section), number, section.first)
        yield from _parameters(body.own_rows(section), number, section.first)


def _labels(rows: Sequence[Row], section: int, first: int) -> Iterator[Field]:
    for index, row in enumerate(rows, first):
        if row.kind != TEXT or ("**" not in row.text and "__" not in row.text) or len(row.text) > _LONGEST:
            continue
        match = LABEL.match(row.text)
        if match is None or match["box"]:
            continue
        value = match["value"].strip()
        yield Field(
            match["name"].strip(),
            fold_key(match["name"]),
            value,
            row.line,
            match.start("value") + 1,
            "label",
            section,
            index,
            bool(match["mark"]),
        )


def _table_rows(rows: Sequence[Row], section: int, first: int) -> Iterator[Field]:
    """Rows of two cells, of tables that have a row of dashes."""
    run: list[tuple[int, Row, list[str]]] = []
    for index, row in [*enumerate(rows, first), (-1, Row(0, "", BLANK))]:
        if row.kind == TEXT and _ROW.match(row.text) and len(row.text) <= _LONGEST:
            run.append((index, row, cells(row.text)))
            continue
        if len(run) > 1 and all(len(found) == 2 for _, _, found in run) and _is_rule(run[1][2]):
            for at, line, (name, value) in (run[0], *run[2:]):
                bare = name.strip("*_ \t`")
                column = line.text.find(value) + 1 if value else 1
                yield Field(bare, fold_key(bare), value, line.line, column, "table", section, at)
        run = []


def _parameters(rows: Sequence[Row], section: int, first: int) -> Iterator[Field]:
    """The plain items directly under a bold `**Parameters:**`: `- key: value`, with or without quotes."""
    inside = False
    for index, row in enumerate(rows, first):
        label = LABEL.match(row.text) if row.kind == TEXT and len(row.text) <= _LONGEST else None
        if label is not None:
            inside = fold_key(label["name"]) in PARAMETERS and not label["value"].strip()
            continue
        short = row.kind == TEXT and len(row.text) <= _LONGEST
        item = _ITEM.match(row.text) if inside and short else None
        if item is None:
            inside = inside and row.kind == BLANK
            continue
        value, column = item["value"].strip(), item.start("value") + 1
        if len(value) > 1 and value[0] == value[-1] == '"' and '"' not in value[1:-1] and "\\" not in value:
            value, column = value[1:-1], column + 1
        yield Field(
            item["name"].strip("`"),
            fold_key(item["name"]),
            value,
            row.line,
            column,
            "parameter",
            section,
            index,
        )


def cells(text: str) -> list[str]:
    """The cells of a row of a table."""
    inner = text.strip()[1:-1]
    return [cell.strip().replace("\\|", "|") for cell in _CELL.split(inner)]


def _is_rule(found: Sequence[str]) -> bool:
    return all(_DASHES.match(cell) for cell in found)


def heading_fields(body: Body, keys: frozenset[str]) -> Iterator[tuple[int, Section]]:
    """The author's own sections whose heading is one of these keys; not the title of the note."""
    for number, section in enumerate(body.sections):
        if section.theirs or section.key not in keys or not section.level:
            continue
        if section.level == 1 and number == 1:
            continue
        yield number, section
