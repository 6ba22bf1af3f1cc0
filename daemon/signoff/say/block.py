"""The shapes that the daemon's text has: callouts and tables. Content comes escaped from `escape`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def callout(kind: str, title: str, lines: Iterable[str]) -> str:
    """An Obsidian callout. Every line of it starts with `>`, whatever the lines hold.

    That is how the daemon's lines are told from a person's, so no other function writes a line of a
    section. Elsewhere than in Obsidian it reads as a quotation with the title on its first line.
    """
    body = [part for line in lines for part in line.split("\n")]
    while body and not body[-1]:
        body.pop()
    quoted = [f"> {line}" if line else ">" for line in body]
    return "\n".join([f"> [!{kind}] {title}", *quoted]) + "\n"


def paragraphs(*texts: str) -> list[str]:
    """Lines of prose with an empty line after each; empty texts are left out."""
    return [line for text in texts if text for line in (text, "")]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table with an empty line after it. Cells are one line of escaped Markdown without pipes."""
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return [*lines, ""]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell or " " for cell in cells) + " |"
