"""Where the arguments of an action stand in a note: fields by name, and the texts of messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from signoff.catalogue import TEXT_NAMES, Action, Argument
from signoff.errors import NoteError
from signoff.model import Json
from signoff.note.front import load_fragment
from signoff.plan.dialects.blanks import is_absent
from signoff.plan.dialects.body import BLANK, COMMENT, TEXT, Body, Section
from signoff.plan.dialects.fields import LABEL, Field, Material, heading_fields
from signoff.plan.dialects.headings import is_drafted, suits
from signoff.plan.dialects.reading import MISSING
from signoff.plan.dialects.texts import Found, header_fields, labelled_text, text_bounds, text_in, unclear
from signoff.plan.dialects.unheaded import drafted_sections, text_without_heading

_SHOWN = 60
_ITEM = re.compile(r"[ ]{0,3}[-*+][ \t]+(?!\[[ xX]\])(\S.*)\Z")
_SENDERS = frozenset({"from", "sender", "received", "received_at", "received_from"})
_TEXTS = frozenset(TEXT_NAMES)


@dataclass(slots=True)
class Arguments:
    """What was found: the values, and the question, first of all one about what is there."""

    values: dict[str, Json] = field(default_factory=dict)
    question: NoteError | None = None
    currency: tuple[str, Field] | None = None

    def ask(self, question: NoteError) -> None:
        """Keeps the first question; one for something missing only while there is no other."""
        if self.question is None or (self.question.code in MISSING and question.code not in MISSING):
            self.question = question


def prose_of(action: Action) -> Argument | None:
    """The argument that holds the text of the message."""
    return next((argument for argument in action.arguments if argument.kind == "prose"), None)


def sources(
    material: Material, action: Action, sections: range | None, found: Arguments
) -> tuple[list[Field], list[Found]]:
    """The fields that count, and the texts."""
    prose = prose_of(action)
    keys = frozenset(action.names_of_arguments)
    labels = [each for each in material.labels if sections is None or each.section in sections]
    texts: list[Found] = []
    taken: set[int] = set()
    lines: list[Field] = []
    for number, section in _headed(material, action, keys):
        if sections is not None and number not in sections:
            continue
        argument = action.argument(section.key) or prose
        try:
            if argument is prose:
                texts += _text_under(material, number, keys, taken)
            else:
                lines += _line_under(material, number)
        except NoteError as error:
            found.ask(error)
    texts += _labelled(material, action, labels, taken, found)
    if prose is not None and prose.required and not texts and sections is None:
        texts += _unheaded(material, action, keys, found)
    texts = [header_fields(text, keys) for text in texts]
    fields = [*(material.front if sections is None else ()), *lines]
    fields += [
        label for label in labels if label.row not in taken and action.argument(label.key) is not prose
    ]
    fields += [each for text in texts for each in text.fields]
    return fields, texts


def _labelled(
    material: Material, action: Action, labels: list[Field], taken: set[int], found: Arguments
) -> list[Found]:
    """The texts that begin at a label; their rows are taken, and so is what somebody else wrote."""
    prose, keys = prose_of(action), frozenset(action.names_of_arguments)
    texts: list[Found] = []
    addressed = {
        label.section for label in labels if label.key not in _SENDERS and label.key in keys - _TEXTS
    }
    received = {label.section for label in labels if label.key in _SENDERS} - addressed
    for label in labels:
        if prose is None or label.row in taken or action.argument(label.key) is not prose:
            continue
        if label.section in received:
            taken.add(label.row)  # what somebody wrote, beside who it was
            continue
        if str(label.value).strip() and (is_absent(label.value) or label.key == "draft"):
            continue  # `**Draft:** a summary of ...` says what the text would be
        try:
            text = labelled_text(material.body, label, keys)
        except NoteError as error:
            found.ask(error)
            taken.add(label.row)
            continue
        texts.append(text)
        taken.update(text.rows)
    return texts


def _headed(material: Material, action: Action, keys: frozenset[str]) -> Iterator[tuple[int, Section]]:
    """The sections whose headings are names of arguments, or say that a text to be sent is under them."""
    yield from heading_fields(material.body, keys)
    prose = prose_of(action)
    if prose is None or not prose.required:
        return
    for number, section in drafted_sections(material.body):
        if section.key not in keys and suits(section.title, action):
            yield number, section


def _unheaded(material: Material, action: Action, keys: frozenset[str], found: Arguments) -> Iterator[Found]:
    """The text that stands under no heading of its own, where nothing else could be it; see `unheaded`."""
    prose = prose_of(action)
    if any(action.argument(each.key) is prose and not is_absent(each.value) for each in material.front):
        return
    try:
        text = text_without_heading(material.body, action, keys)
    except NoteError as error:
        found.ask(error)
        return
    if text is not None:
        yield text


def _text_under(material: Material, number: int, keys: frozenset[str], taken: set[int]) -> Iterator[Found]:
    """The text under a content heading; nothing where its own subheadings are those of arguments."""
    body = material.body
    section = body.sections[number]
    inner = list(_below(body, number))
    if theirs := next((each for each in inner if each.theirs), None):
        taken.update(range(section.first, section.end))
        raise unclear(
            theirs.line,
            f"`{theirs.title[:_SHOWN]}` stands within the text of `{section.title[:_SHOWN]}`.",
            "Give it a heading as high as the text's own, or delete it.",
        )
    has_parts = any(each.key in keys for each in inner)
    last = section.last if has_parts else section.end
    try:
        text = text_in(body, section.first, last, keys, drafted=is_drafted(section.title))
    except NoteError:
        taken.update(range(section.first, last))
        raise
    if text is None or (has_parts and not text.value):
        return
    if not text.value and text.fields:
        return  # only labels stand there: they count as such
    taken.update(text.rows)
    yield text


def _below(body: Body, number: int) -> Iterator[Section]:
    """The subsections of a section."""
    end = body.sections[number].end
    for index in range(number + 1, len(body.sections)):
        if body.sections[index].first > end:
            return
        yield body.sections[index]


def _line_under(material: Material, number: int) -> Iterator[Field]:
    """The one line, or the list, under a heading such as `## Subject`; labels there count by themselves.

    Raises:
        NoteError: `text-unclear`, where more stands there, which would be left out.
    """
    section = material.body.sections[number]
    start, end = text_bounds(material.body.rows, section.first, section.last)
    rows = [row for row in material.body.rows[start:end] if row.kind not in {BLANK, COMMENT}]
    if not rows or any(LABEL.match(row.text) for row in rows):
        return
    first, text = rows[0], "\n".join(row.text for row in rows)
    column = len(first.text) - len(first.text.lstrip()) + 1
    items = [_ITEM.match(row.text) for row in rows]
    value: Json = text.strip()
    if text.lstrip().startswith("["):
        value, _ = load_fragment(text, first_line=first.line, language="json")
    elif all(items):
        value = [match[1].strip() for match in items if match]
    elif len(rows) > 1 or first.kind != TEXT:
        raise unclear(
            first.line,
            f"It is not plain what of this is `{section.title[:_SHOWN]}`.",
            f"Write it in one line: `{section.key}: ...` in the front matter.",
        )
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    yield Field(section.title, section.key, value, first.line, column, "heading", number)
