"""Items of a list under `## Steps` or `## Actions` that say an action in the catalogue's own phrases.

    ## Steps
    1. Send an email to ana@example.com
       - **Subject:** Q4
       - **Body:** Please find it attached.
    2. [ ] Tweet "We are hiring"

A phrase must be the whole item. `{to}` holds an address where that is its kind, else one word or a text in
quotes; words in parentheses may be left out. Every other item is prose.
"""

from __future__ import annotations

import re
from functools import lru_cache

from signoff.catalogue import Action, fold_key
from signoff.errors import NoteError
from signoff.note.document import Item
from signoff.plan.dialects.arguments import prose_of, settle
from signoff.plan.dialects.fields import LABEL, Field, Material
from signoff.plan.dialects.kinds import is_no_plan
from signoff.plan.dialects.reading import Call, Reading

HEADINGS = ("steps", "actions", "proposed actions", "planned actions", "action steps", "execution steps")
_LONGEST = 1000
_PART = re.compile(r"\((?P<free>[^()]*)\)|\{(?P<name>\w+)\}|(?P<space>\s+)|(?P<word>[^\s(){}]+)")
_EMAIL = r"<?[^\s@<>()\[\],;:\"']{1,64}@[^\s@<>()\[\],;:\"']{1,190}\.[^\s@<>()\[\],;:\"'.]{2,63}>?"
_WORD = r"\"[^\"]{1,800}\"|“[^”]{1,800}”|'[^']{1,800}'|[^\s\"'“”]{1,300}"


def read_phrases(material: Material) -> Reading | None:
    """The calls of the items that a phrase recognises; None where none does."""
    phrases = [
        (phrase, action) for action in material.catalogue.actions.values() for phrase in action.phrases
    ]
    if not phrases or is_no_plan(material):
        return None
    calls: list[Call] = []
    question: NoteError | None = None
    for item in material.note.items_under(*HEADINGS):
        if len(item.name) > _LONGEST or item.fences or material.body.is_theirs(item.line):
            continue
        said = {
            action.name: (action, found)
            for phrase, action in phrases
            if (found := _said(phrase, action, item.name))
        }
        if not said:
            continue
        call, asked = _call(item, *next(iter(said.values())))
        if len(said) > 1:
            names = " or ".join(f"`{name}`" for name in said)
            asked = NoteError(
                f"It is not plain whether this is {names}.", code="two-readings", line=item.line
            )
        calls.append(call)
        question = question or asked
    return Reading("phrases", tuple(calls), question) if calls else None


def _said(phrase: str, action: Action, text: str) -> dict[str, str] | None:
    """The arguments in an item that is this phrase; None where it is not."""
    match = _pattern(phrase, tuple((each.name, each.kind) for each in action.arguments)).fullmatch(
        text.strip()
    )
    return {name: _bare(value) for name, value in match.groupdict().items() if value} if match else None


@lru_cache(maxsize=1000)
def _pattern(phrase: str, kinds: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    """A phrase as a pattern; what is in parentheses may be missing, with the space after it."""
    known, parts = dict(kinds), []
    for part in _PART.finditer(phrase.strip()):
        if part["free"] is not None:
            parts.append(rf"(?:{re.escape(part['free'])}\s{{1,3}})?")
        elif part["name"]:
            inner = _EMAIL if known.get(part["name"]) == "email" else _WORD
            parts.append(rf"(?P<{part['name']}>{inner})")
        elif part["space"]:
            parts.append("" if phrase[: part.start()].endswith(")") else r"\s{1,3}")
        else:
            parts.append(re.escape(part["word"]))
    return re.compile("".join(parts) + r"\s{0,3}\.?", re.IGNORECASE)


def _bare(value: str) -> str:
    quoted = len(value) > 1 and (value[0], value[-1]) in {('"', '"'), ("'", "'"), ("“", "”")}
    return value[1:-1] if quoted else value.rstrip(".") if "@" not in value else value.strip("<>").rstrip(".")


def _call(item: Item, action: Action, found: dict[str, str]) -> tuple[Call, NoteError | None]:
    """The call of an item, with the labels under it."""
    fields = [Field(name, fold_key(name), value, item.line, 1, "entry") for name, value in found.items()]
    for number, text in enumerate(item.text, item.line + 1):
        if match := LABEL.match(text):
            key = fold_key(match["name"])
            fields.append(
                Field(match["name"], key, match["value"].strip(), number, match.start("value") + 1, "label")
            )
    if not action.arguments:
        return Call(action.name, found, item.line, item.name, item.checkbox), None
    arguments = settle(action, fields, line=item.line)
    question = arguments.question
    prose = prose_of(action)
    if question is None and prose is not None and prose.name in arguments.values:
        question = _unread(item)
    return Call(action.name, arguments.values, item.line, item.name, item.checkbox), question


def _unread(item: Item) -> NoteError | None:
    """The question where text stands under an item beside its labels: it could belong to one of them."""
    for number, text in enumerate(item.text, item.line + 1):
        if text.strip() and not LABEL.match(text):
            return NoteError(
                "It is not plain whether this line belongs to the step.",
                code="text-unclear",
                hint="Write the step with a block: `action:` and `with:`.",
                line=number,
            )
    return None
