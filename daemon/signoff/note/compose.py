"""Values from PyYAML's events: mappings, lists and scalars of the core schema, and nothing else.

Composing here, and not with a PyYAML loader, refuses what YAML can do beyond plain data before it does
it: aliases (a few bytes that unfold to gigabytes), anchors, tags, merge keys, complex keys, several
documents, and more than `MAX_DEPTH` levels. Recursion is bounded by that depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from signoff.model import Json
from signoff.note.places import MAX_DEPTH, Extent, Path, Place, Reading, brief, check_key, error_at
from signoff.note.scalars import NotExact, resolve

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML was built with it: twenty times faster, the same events."""


def yaml_events(text: str) -> Iterator[Event]:
    """The events of a YAML text, as PyYAML's parser gives them; raises `yaml.YAMLError` lazily."""
    events: Iterator[Event] = yaml.parse(text, Loader=_LOADER)
    return events


def _where(mark: Any) -> tuple[int, int]:
    """Row and column, from 0; the parser gives every event its marks, its types do not say so."""
    return mark.line, mark.column


class Composer:
    """Composes one YAML text; `first_line` and `column_offset` say where it starts in the note."""

    def __init__(self, text: str, *, first_line: int, column_offset: int = 0) -> None:
        self._text = text
        self._rows: list[str] | None = None
        self._events = yaml_events(text)
        self._first_line = first_line
        self._column = column_offset + 1
        self._places: dict[Path, Place] = {(): Place(first_line, self._column)}
        self._raw: dict[Path, str] = {}
        self._extents: dict[str, Extent] = {}
        self._last: Event | None = None

    def compose(self) -> Reading:
        """The one document of the text; None as value where there is nothing in it.

        Raises:
            NoteError: for what is YAML, and is not accepted here.
            yaml.YAMLError: for what is not YAML.
        """
        value: Json = None
        seen_document = False
        for event in self._events:
            if isinstance(event, (StreamStartEvent, StreamEndEvent)):
                continue
            if isinstance(event, DocumentStartEvent):
                self._check_document(event, again=seen_document)
                seen_document = True
            elif isinstance(event, NodeEvent):
                value = self._node(event, (), 0)
            elif getattr(event, "explicit", False):
                self._refuse(
                    event, "yaml-documents", "A line of dots ends the front matter early.", "Remove it."
                )
        return Reading(value, self._places, self._raw, self._extents)

    def _place(self, event: Event) -> Place:
        row, column = _where(event.start_mark)
        return Place(self._first_line + row, self._column + column)

    def _refuse(self, event: Event, code: str, message: str, hint: str) -> None:
        raise error_at(self._place(event), code, message, hint)

    def _check_document(self, event: DocumentStartEvent, *, again: bool) -> None:
        if again or event.explicit:
            self._refuse(
                event,
                "yaml-documents",
                "There is a second YAML document, or a directive, in the block.",
                "Remove the `---` or `%` line inside it.",
            )

    def _node(self, event: Event, path: Path, depth: int) -> Json:
        if isinstance(event, AliasEvent):
            self._refuse(
                event,
                "yaml-alias",
                f"`*{brief(event.anchor or '')}` refers to another value.",
                "Write the value out in full.",
            )
        self._check_node(event)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        if depth >= MAX_DEPTH:
            self._refuse(
                event,
                "yaml-too-deep",
                f"Mappings and lists are nested more than {MAX_DEPTH} levels deep.",
                "Flatten them.",
            )
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, path, depth)
        return self._sequence(path, depth)

    def _check_node(self, event: Event) -> None:
        if getattr(event, "anchor", None) is not None:
            self._refuse(
                event,
                "yaml-alias",
                f"`&{brief(getattr(event, 'anchor', ''))}` names a value, to be repeated elsewhere.",
                "Write the value out where it is needed; put a text that starts with & in quotes.",
            )
        if getattr(event, "tag", None) is not None:
            self._refuse(
                event,
                "yaml-tag",
                f"`{brief(getattr(event, 'tag', ''))}` gives a value a type of its own.",
                "Remove it; put a text that starts with ! in quotes.",
            )

    def _scalar(self, event: ScalarEvent, path: Path) -> Json:
        self._last = event
        if event.style:
            return event.value
        try:
            value = resolve(event.value)
        except NotExact:
            shown = brief(event.value)
            raise error_at(
                self._place(event),
                "value-not-exact",
                f"The number {shown} would be changed by reading it.",
                f'Put it in quotes: "{shown}".',
            ) from None
        if value is not None and not isinstance(value, str):
            self._raw[path] = event.value
        return value

    def _sequence(self, path: Path, depth: int) -> list[Json]:
        items: list[Json] = []
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                self._end(event)
                break
            here = (*path, len(items))
            self._places[here] = self._place(event)
            items.append(self._node(event, here, depth + 1))
        return items

    def _end(self, event: Event) -> None:
        """A closing bracket is where a value ends; the end of a block has no place of its own."""
        if _where(event.start_mark) != _where(event.end_mark):
            self._last = event

    def _mapping(self, start: MappingStartEvent, path: Path, depth: int) -> dict[str, Json]:
        values: dict[str, Json] = {}
        seen: dict[str, str] = {}
        wanted = not path and not start.flow_style
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                self._end(event)
                break
            place = self._place(event)
            key = self._key(event, place)
            check_key(key, path, seen, place)
            here = (*path, key)
            self._places[here] = place
            node = next(self._events)
            values[key] = self._node(node, here, depth + 1)
            if wanted:
                self._extents[key] = self._extent(event, node)
        return values

    def _extent(self, key: Event, node: Event) -> Extent:
        last = self._last or node
        return Extent(
            *_where(key.start_mark),
            _where(key.end_mark)[1],
            *_where(node.start_mark),
            *_where(last.end_mark),
            getattr(last, "style", None) in {"|", ">"},
        )

    def _key(self, event: Event, place: Place) -> str:
        if not isinstance(event, ScalarEvent):
            if isinstance(event, AliasEvent):
                self._node(event, (), 0)
            raise error_at(
                place,
                "yaml-complex-key",
                "A list or a mapping stands where a key should be.",
                'Write `key: value`; put a text in braces or brackets in quotes, as in "{{name}}".',
            )
        self._check_node(event)
        if event.value == "<<":
            self._refuse(
                event, "yaml-merge-key", "`<<` merges another mapping.", "Write its keys out in full."
            )
        if self._is_explicit(event):
            self._refuse(event, "yaml-complex-key", "A key is marked with `?`.", "Write `key: value`.")
        self._check_text_key(event, place)
        return event.value

    def _check_text_key(self, event: ScalarEvent, place: Place) -> None:
        try:
            is_text = bool(event.style) or isinstance(resolve(event.value), str)
        except NotExact:
            is_text = False
        if not is_text:
            raise error_at(
                place,
                "yaml-key-not-text",
                f"The key `{brief(event.value)}` is not a text.",
                f'Put it in quotes: "{brief(event.value)}".',
            )

    def _is_explicit(self, event: ScalarEvent) -> bool:
        if "?" not in self._text:
            return False
        if self._rows is None:
            self._rows = self._text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        row, column = _where(event.start_mark)
        before = self._rows[row][:column].rstrip()
        return before.endswith("?") or (not before and self._rows[row - 1].strip() == "?")
