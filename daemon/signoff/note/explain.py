"""What is wrong with a broken line of YAML, and exactly what to write instead.

The breakages are those that real notes have: an unquoted colon, text after a quoted value, a value that
starts with a sign YAML keeps for itself, tabs, `---` glued to the last value. A corrected line is only
offered where it reads well by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from signoff.note.compose import yaml_events
from signoff.note.places import Place, error_at

_ENTRY = re.compile(
    r"""(?P<lead>[ ]*(?:-[ ]+)*)(?P<key>[^\s:#'"\[\]{},&*!|>%@`-][^:]*?)[ ]*:[ ]+(?P<value>\S.*)$"""
)
_ITEM = re.compile(r"(?P<lead>[ ]*(?:-[ ]+)+)(?P<value>\S.*)$")
_RESERVED = frozenset("@`%&*!|>[]{},?")
_CLOSING = {"[": "]", "{": "}"}
_CURLY = re.compile(r"[“„‟”][^“”„‟]+[”“‟]")
_SHOWN = 160
_READ = 4000


class Broken(Exception):
    """A row of the text is not YAML; carries what the message needs."""

    def __init__(self, row: int, column: int, problem: str) -> None:
        super().__init__(problem)
        self.row = row
        self.column = column
        self.problem = problem


def broken_at(error: yaml.YAMLError, rows: Sequence[str]) -> Broken:
    """Where PyYAML's error is to be looked for: an unclosed quote or key at its start, not at its end."""
    mark = getattr(error, "problem_mark", None)
    context = getattr(error, "context_mark", None)
    about = str(getattr(error, "context", "") or "")
    if context is not None and ("quoted scalar" in about or "simple key" in about):
        mark = context
    problem = str(getattr(error, "problem", None) or "it is not YAML")
    if mark is None:
        return Broken(0, 0, problem)
    row = min(mark.line, len(rows) - 1)
    while row > 0 and not rows[row].strip():
        row -= 1
    return Broken(row, mark.column if row == mark.line else len(rows[row]), problem)


def mended_row(rows: Sequence[str], index: int) -> str | None:
    """What to write instead of a row, where one of the known breakages is in it; None where none is."""
    row = rows[index]
    if len(row) > _READ:  # nobody mends that by hand, and looking for the place takes long
        return None
    lead = row[: len(row) - len(row.lstrip())]
    if "\t" in lead:
        return lead.replace("\t", "  ") + row.lstrip()
    if _indented_too_far(rows, index):
        return row.lstrip()
    return _with_quotes(row)


def _with_quotes(row: str) -> str | None:
    """The row with its value in quotes, where that makes it read."""
    match = _ENTRY.match(row) or _ITEM.match(row)
    if match is None:
        return None
    value = match["value"].rstrip()
    if _CLOSING.get(value[0], value) not in value:
        return None  # a list or mapping that goes on below, or was not finished
    mended = row[: match.start("value")] + in_quotes(_inner(value))
    return mended if mended != row and _reads(mended) else None


def in_quotes(text: str) -> str:
    """A one-line text as a quoted YAML scalar: double quotes where nothing needs escaping, else single."""
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def _inner(value: str) -> str:
    """The text that the author meant, without quotes that were put around it in a wrong way."""
    quote = value[0]
    if _CURLY.fullmatch(value):
        return value[1:-1]
    if quote not in "\"'":
        return value
    if value.count(quote) == 1:
        return value[1:]
    if len(value) > 2 and value.endswith(quote) and value[1:-1].count(quote) != 1:
        return value[1:-1]
    return value


def _reads(row: str) -> bool:
    try:
        for _ in yaml_events(row):
            pass
    except yaml.YAMLError:
        return False
    return True


def explained(rows: Sequence[str], broken: Broken, place: Place) -> Exception:
    """The error for a person: what is wrong at the place, and the line to write instead."""
    row = rows[broken.row] if rows else ""
    message, hint = _finding(rows, broken, row)
    return error_at(place, "yaml-invalid", message, hint)


def hint_for(rows: Sequence[str], index: int) -> str | None:
    """`Write ...`, where the row is one that quotes or fewer blanks mend."""
    mended = mended_row(rows, index) if index < len(rows) else None
    if mended is None:
        return None
    if len(mended.strip()) > _SHOWN:  # half a line must not be copied
        key = mended.strip().partition(":")[0]
        return f"Put all of the value of `{key[:60]}` in quotes; `signoff check --fix` does it for you."
    return f"Write {_code(mended.strip())}."


def _finding(rows: Sequence[str], broken: Broken, row: str) -> tuple[str, str]:
    if "\t" in row[: len(row) - len(row.lstrip())] or row[broken.column : broken.column + 1] == "\t":
        shown = [*rows[max(broken.row - 1, 0) : broken.row], row.replace("\t", "  ")]
        fits = len(shown) == 2 and all(len(each) <= _SHOWN and "\t" not in each for each in shown)
        hint = "\n".join(shown) if fits else "Use spaces: two for each level."
        return "The line is indented with a tab.", hint
    if _indented_too_far(rows, broken.row):
        hint = f"Take the spaces before it away: {_code(row.strip())}."
        return "The line is indented further than the one above it.", hint
    hint = hint_for(rows, broken.row) or ""
    if hint:
        return _reason(row), hint
    if ":" not in row and not row.lstrip().startswith("-"):
        message = f"The line has no `key: value` form: {_code(row.strip())}."
        return message, "Write it as `key: value`, or take it out."
    return (
        f"This is not YAML: {broken.problem}.",
        "Check quotes, brackets and indentation of this line and the one above it.",
    )


def _reason(row: str) -> str:
    match = _ENTRY.match(row) or _ITEM.match(row)
    value = match["value"].rstrip() if match else ""
    if value[0] in "\"'":
        quote = value[0]
        return (
            "A quote is not closed." if value.count(quote) == 1 else "There is text after the quoted value."
        )
    if value[0] in _RESERVED:
        return f"A value that starts with `{value[0]}` must be in quotes."
    return "The value has a colon in it, so it must be in quotes."


def _indented_too_far(rows: Sequence[str], index: int) -> bool:
    """Is the row an entry by itself, under a row that has its value already?"""
    row, above = rows[index], rows[index - 1] if index else ""
    if not row.startswith(" ") or len(row) + len(above) > _READ or not _reads(row.strip()):
        return False
    first, second = _ENTRY.match(above), _ENTRY.match(row)
    return bool(first and second and len(second["lead"]) > len(first["lead"]))


def _code(text: str) -> str:
    """A line of the note, shown as code and bounded in length."""
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return f"`` {short} ``" if "`" in short else f"`{short}`"
