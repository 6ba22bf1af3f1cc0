"""How commands answer: JSON for programs; for people, colour and tables where a terminal is there.

Everything shown for people passes `visible`: names and texts from notes and servers cannot move the
cursor, colour the screen or forge a line. Without a terminal there is plain text only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from signoff.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {
    **dict.fromkeys(("done", "available", "ok", "low"), "green"),
    **dict.fromkeys(("running", "approved", "scheduled"), "cyan"),
    **dict.fromkeys(("pending", "waiting", "degraded", "medium", "unanchored", "draft"), "yellow"),
    **dict.fromkeys(("failed", "unknown", "unavailable", "high", "wrong", "tampered", "truncated"), "red"),
    **dict.fromkeys(("rejected", "cancelled", "expired", "skipped", "disabled"), "dim"),
}
"""The colour of a word that tells how something is."""


class Said(NamedTuple):
    """A text with a style of its own."""

    text: str
    style: str


Cell = str | Said


def status(word: str) -> Said:
    """A word that tells how something is, in its colour."""
    return Said(word, STYLES.get(word, ""))


class Screen:
    """Standard output, and what a terminal adds to it."""

    @cached_property
    def _console(self) -> Console | None:
        if not sys.stdout.isatty():
            return None
        from rich.console import Console

        return Console(highlight=False, markup=False, emoji=False)

    def json(self, value: Any) -> None:
        """One JSON value, in ASCII: no text in it reaches the terminal as anything but text."""
        self._write(json.dumps(value, indent=2))

    def json_line(self, value: Any) -> None:
        """One JSON value on a line of its own."""
        self._write(json.dumps(value))

    def line(self, text: str = "", style: str = "") -> None:
        """One line of text."""
        if self._console is None:
            self._write(visible(text))
            return
        from rich.text import Text

        self._console.print(Text(visible(text), style=style), soft_wrap=True)

    @property
    def width(self) -> int | None:
        """Characters in a line of the terminal; None where there is no terminal."""
        return None if self._console is None else self._console.width

    def paragraph(self, text: str, style: str = "", *, indent: int = 0) -> None:
        """A longer text: on a terminal its lines end between words, and all are indented."""
        if self._console is None:
            self._write(" " * indent + visible(text))
            return
        from rich.padding import Padding
        from rich.text import Text

        self._console.print(Padding(Text(visible(text), style=style), (0, 0, 0, indent), expand=False))

    def heading(self, text: str) -> None:
        """A line above what belongs together, with an empty line before it."""
        self.line()
        self.line(text, "bold")

    def lines(self, text: str, *, indent: str = "") -> None:
        """A text of several lines."""
        for line in text.splitlines():
            self.line(indent + line)

    def diff(self, lines: Sequence[str]) -> None:
        """Lines of a unified diff."""
        for line in lines:
            self.line(line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], ""))

    def facts(self, rows: Sequence[tuple[str, Cell]], *, indent: int = 0) -> None:
        """Names and what goes with them, a line each."""
        width = max((len(name) for name, _ in rows), default=0)
        for name, cell in rows:
            self.line(f"{' ' * indent}{name.ljust(width)}  {_text(cell)}", _style(cell))

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[Cell]], *, indent: int = 0, dense: bool = False
    ) -> None:
        """Rows in columns; nothing where there are none. Of a dense one only the first column is folded."""
        if not rows:
            return
        if self._console is None:
            self._plain([head, *rows], " " * indent)
            return
        self._boxed(self._console, head, rows, indent, dense=dense)

    def _boxed(
        self,
        console: Console,
        head: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        indent: int,
        *,
        dense: bool,
    ) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        padding = (0, 1, 0, 0) if dense else (0, 1)
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold", padding=padding)
        for number, title in enumerate(head):
            table.add_column(title, overflow="fold", no_wrap=dense and number > 0)
        for row in rows:
            table.add_row(*(Text(visible(_text(cell)), style=_style(cell)) for cell in row))
        console.print(Padding(table, (0, 0, 0, indent)))

    def _plain(self, rows: Sequence[Sequence[Cell]], indent: str) -> None:
        texts = [[visible(_text(cell)) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        for row in texts:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self._write((indent + "  ".join(padded)).rstrip())

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Says on a terminal what takes long, while it does."""
        if not sys.stderr.isatty():
            yield
            return
        from rich.console import Console

        with Console(stderr=True, markup=False, highlight=False).status(visible(text)):
            yield

    def drawing(self, text: str) -> None:
        """A picture made of characters, as it is; only the program's own."""
        self._write(text)

    def note(self, text: str) -> None:
        """A remark for people that is no part of the answer: on stderr."""
        print(visible(text), file=sys.stderr)

    def _write(self, line: str) -> None:
        # Flushed at once: a closed pipe is then noticed here, not at the end of the process.
        encoding = sys.stdout.encoding or "utf-8"
        print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _text(cell: Cell) -> str:
    return cell.text if isinstance(cell, Said) else cell


def _style(cell: Cell) -> str:
    return cell.style if isinstance(cell, Said) else ""


SCREEN = Screen()
"""The one that commands answer on."""
