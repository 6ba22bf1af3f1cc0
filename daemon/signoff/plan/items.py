"""The form for people: list items under `## Steps`, each with its action in a fenced YAML or JSON block.

An item without such a block is prose. If no block has an action, the note is not a plan of this form
(it may be a recipe with examples); if one has, then all of them must.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from signoff.catalogue import Catalogue
from signoff.errors import NoteError
from signoff.model import Json, Step
from signoff.note.document import Fence, Item, Note
from signoff.note.front import load_fragment
from signoff.note.places import Path, Place
from signoff.plan.steps import Source, read_step

_SAYS_ACTION = re.compile(r"""^[ \t{]*["']?action["']?[ \t]*:""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of YAML or JSON in an item: what it says, or why it cannot be read."""

    item: Item
    fence: Fence
    value: Json
    places: Mapping[Path, Place]
    error: NoteError | None = None

    @property
    def is_meant(self) -> bool:
        """Whether it is meant as a step, be it incomplete or broken."""
        if self.error is not None:
            return _SAYS_ACTION.search(self.fence.content) is not None
        return isinstance(self.value, dict) and ("action" in self.value or "with" in self.value)


def read_items(note: Note, catalogue: Catalogue) -> tuple[Step, ...] | None:  # noqa: ARG001  a reader's form
    """The steps under `## Steps`; None where no block there names an action.

    Raises:
        NoteError: the question to the author.
    """
    items = note.items_under("steps")
    blocks = list(_blocks(items))
    if not any(block.is_meant for block in blocks):
        return None
    _refuse_outside(note, items)
    steps: list[Step] = []
    for number, block in enumerate(blocks, 1):
        if block.error is not None:
            raise block.error
        if steps and steps[-1].line == block.item.line:
            raise NoteError(
                f"The item `{block.item.name[:60]}` has two blocks.",
                code="two-blocks",
                hint="Give each action an item of its own.",
                line=block.fence.line,
            )
        source = Source.of(block.value, block.places, (), block.fence.line, f"step {number}")
        item = block.item
        steps.append(read_step(source, number, name=item.name, line=item.line, checkbox=item.checkbox))
    return tuple(steps)


def _blocks(items: Iterable[Item]) -> Iterator[Block]:
    """Every block of YAML or JSON in an item under `## Steps`."""
    for item in items:
        for fence in item.fences:
            if _is_data(fence):
                try:
                    value, places = load_fragment(
                        fence.content,
                        first_line=fence.line,
                        column_offset=fence.column - 1,
                        language="json" if fence.info == "json" else "yaml",
                    )
                    yield Block(item, fence, value, places)
                except NoteError as error:
                    yield Block(item, fence, None, {}, error)


def _is_data(fence: Fence) -> bool:
    return fence.info in {"yaml", "yml", "json"}


def _refuse_outside(note: Note, items: Iterable[Item]) -> None:
    """In a plan of this form, a block with an action that is in no item of the list would be forgotten."""
    inside = {fence.line for item in items for fence in item.fences}
    for fence in note.fences:
        if _is_data(fence) and fence.line not in inside and _SAYS_ACTION.search(fence.content):
            raise NoteError(
                "This block has an action, and belongs to no item of the list under `## Steps`.",
                code="block-outside",
                hint="Put it under an item, indented like the item's text; or mark an example as `text`.",
                line=fence.line,
            )
