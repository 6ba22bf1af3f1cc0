"""The front matter, read strictly: a handler for python-frontmatter, and fenced blocks alike.

Accepted is plain data in YAML 1.2 (see `scalars`; leading-zero decimals such as 0755 stay text), with
text keys, each once. Refused, with line, column and the fix: aliases, anchors, tags, merge keys, complex
keys, several documents, control characters (U+0085, U+2028 and U+2029 are line breaks to some readers
and not to others), keys that look like one that Signoff reads, and whatever is not YAML. Nothing is
repaired and nothing half-read.

The block counts only as the first thing in the note, from a line `---` to the next line `---`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import frontmatter
import yaml
from frontmatter.default_handlers import BaseHandler

from signoff.errors import NoteError
from signoff.model import Json
from signoff.note.compose import Composer
from signoff.note.explain import broken_at, explained, hint_for
from signoff.note.json_text import JsonComposer
from signoff.note.lines import LINE_END, place_of
from signoff.note.places import Extent, Path, Place, Reading, error_at

__all__ = ["Block", "Front", "Place", "StrictYAML", "find_block", "load_fragment", "read_front"]

_FENCE_LINE = re.compile(r"---[ \t]*(\r\n?|\n|\Z)")
_CLOSING = re.compile(r"(?:(?<=\n)|(?<=\r))---[ \t]*(?:\r\n?|\n|\Z)")
_KEY_LINE = re.compile(r"""["']?[A-Za-z_][\w .-]{0,99}["']?[ \t]{0,9}:(?:[ \t]|\r|\n|\Z)""")
_GLUED = re.compile(
    r"(?:(?<=\n)|(?<=\r))(?P<line>[^\s#'\"-][^\r\n:]*:[ \t][^\r\n]*[^\s-])---[ \t]*(?=\r|\n|\Z)"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_QUOTES_HELP = frozenset({"yaml-complex-key", "yaml-alias", "yaml-tag"})
"""What a text that starts with `{`, `*`, `&` or `!` comes to without quotes."""
_LONE_CR = re.compile(r"\r(?!\n)")


@dataclass(frozen=True, slots=True)
class Block:
    """Where the front matter stands in the text of a note: indexes of characters.

    `start` is the opening line's; the YAML is from `inner` to `close`; the body begins at `end`.
    """

    start: int
    inner: int
    close: int
    end: int


@dataclass(frozen=True, slots=True)
class Front:
    """The front matter of a note.

    Attributes:
        values: what it says, by key.
        places: line and column of every key and list item, by path; `()` is the whole.
        raw: the source text of unquoted numbers and booleans, by path.
        extents: of the top-level keys, in rows of the YAML text; empty for `{...}`.
        block: where it stands in the text of the note, in characters.
        span: the same in bytes of the file, from the opening line to the end of the closing one.
    """

    values: Mapping[str, Json]
    places: Mapping[Path, Place]
    raw: Mapping[Path, str]
    extents: Mapping[str, Extent]
    block: Block
    span: tuple[int, int]


class StrictYAML(BaseHandler):
    """Front matter for python-frontmatter, as strict as this module; for reading only.

    One handler reads one block: `reading` is what it read. The text that python-frontmatter is given
    must be the block alone, since it strips and joins lines of what follows.
    """

    FM_BOUNDARY = re.compile(r"^---[ \t]*$", re.MULTILINE)
    START_DELIMITER = END_DELIMITER = "---"

    def __init__(self) -> None:
        super().__init__()
        self.reading: Reading | None = None

    def split(self, text: str) -> tuple[str, str]:
        """The YAML between the two lines, and nothing as content."""
        block = find_block(text)
        if block is None:
            raise ValueError("no front matter")
        return text[block.inner : block.close], text[block.end :]

    def load(self, fm: str) -> dict[str, Any]:
        """The mapping that the YAML says.

        Raises:
            NoteError: where it is not accepted; lines count from the opening `---`.
        """
        self.reading = _read_yaml(fm, first_line=2, column_offset=0)
        value = self.reading.value
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise error_at(
                Place(2, 1),
                "front-matter-not-a-mapping",
                "The block between the `---` lines at the top is not a list of `key: value` lines.",
                "Write `key: value` lines, or put an empty line before the first `---`.",
            )
        return value

    def export(self, metadata: dict[str, object], **kwargs: object) -> NoReturn:
        """Not for writing: notes are changed by `splice` alone, which keeps what a person wrote."""
        raise NotImplementedError("a person's note is never written anew")


def find_block(text: str) -> Block | None:
    """The front matter of a text (a byte order mark before it is passed over), None where none begins it.

    Raises:
        NoteError: `front-matter-unclosed` or `front-matter-glued`, where one begins and does not end.
    """
    start = 1 if text.startswith("\ufeff") else 0
    opening = _FENCE_LINE.match(text, start)
    if opening is None:
        return None
    closing = _CLOSING.search(text, opening.end())
    glued = _GLUED.search(text, opening.end() - 1, closing.start() if closing else len(text))
    if glued and (closing is None or _is_end(text, glued.end())):
        raise error_at(
            Place(*place_of(text[start:], glued.end("line") - start)),
            "front-matter-glued",
            "The `---` that ends the front matter is glued to the last value.",
            f"Put it on a line of its own, after `{glued['line'][:120]}`.",
        )
    if closing is not None:
        return Block(start, opening.end(), closing.start(), closing.end())
    if _KEY_LINE.match(text, opening.end()):
        raise error_at(
            Place(1, 1),
            "front-matter-unclosed",
            "The front matter is not closed.",
            "Put a line `---` after its last `key: value` line.",
        )
    return None


def _is_end(text: str, index: int) -> bool:
    """Does what follows a line look like the body of a note rather than more front matter?"""
    rest = LINE_END.sub("\n", text[index : index + 400]).lstrip("\n")
    return not _KEY_LINE.match(rest) and not rest.startswith("---")


def read_front(text: str) -> Front | None:
    """The front matter of a note's text; None where it has none.

    Raises:
        NoteError: where there is one, and it is not accepted.
    """
    block = find_block(text)
    if block is None:
        return None
    handler = StrictYAML()
    values, _ = frontmatter.parse(text[block.start : block.end], handler=handler)
    reading = handler.reading
    if reading is None:  # python-frontmatter found no block where `find_block` did
        raise error_at(Place(1, 1), "yaml-invalid", "The front matter cannot be separated from the note.")
    start = len(text[: block.start].encode())
    span = (start, start + len(text[block.start : block.end].encode("utf-8", "surrogateescape")))
    return Front(values, reading.places, reading.raw, reading.extents, block, span)  # type: ignore[arg-type]


def load_fragment(
    text: str, *, first_line: int, column_offset: int = 0, language: Literal["yaml", "json"] = "yaml"
) -> tuple[Json, Mapping[Path, Place]]:
    """The value of a fenced block, as strict as the front matter, and the places of its parts.

    Args:
        text: the content of the fence, without the indentation of its list.
        first_line: the line in the note of the first line of the text, from 1.
        column_offset: characters that were taken off each line.
        language: what the fence says.

    Raises:
        NoteError: where it is not accepted, with line and column in the note.
    """
    if language == "yaml":
        reading = _read_yaml(text, first_line=first_line, column_offset=column_offset)
    else:
        _refuse_control(text, first_line, column_offset)
        reading = JsonComposer(text, first_line=first_line, column_offset=column_offset).compose()
    return reading.value, reading.places


def _read_yaml(text: str, *, first_line: int, column_offset: int) -> Reading:
    _refuse_control(text, first_line, column_offset)
    try:
        return Composer(text, first_line=first_line, column_offset=column_offset).compose()
    except yaml.YAMLError as error:
        rows = LINE_END.split(text)
        broken = broken_at(error, rows)
        place = Place(first_line + broken.row, column_offset + broken.column + 1)
        raise explained(rows, broken, place) from None
    except NoteError as error:
        if error.code in _QUOTES_HELP and error.line is not None:
            error.hint = hint_for(LINE_END.split(text), error.line - first_line) or error.hint
        raise


def _refuse_control(text: str, first_line: int, column_offset: int) -> None:
    found = _CONTROL.search(text)
    if found is None and "\r" in text and "\n" in text:
        found = _LONE_CR.search(text)
    if found is None:
        return
    line, column = place_of(text, found.start())
    raise error_at(
        Place(first_line + line - 1, column_offset + column),
        "control-character",
        f"There is a character that cannot be seen (U+{ord(found[0]):04X}), which programs read differently.",
        "Delete it; retype the line if you cannot see where it is.",
    )
