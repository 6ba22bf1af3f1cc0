"""The arguments of one action, from all that a note says: each once, or a question.

Every argument is looked for under its names wherever fields and texts stand. Two places that say the same
agree; two that differ are a question, and so is a required argument that is nowhere, or a value that still
has to be filled in. Nothing is converted but what a kind means: a sum becomes a number, with its currency.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from signoff.catalogue import Action, Argument
from signoff.errors import NoteError
from signoff.model import Json
from signoff.plan.dialects.blanks import is_absent, placeholder_in
from signoff.plan.dialects.body import BLANK, COMMENT, RULE, TEXT
from signoff.plan.dialects.fields import LABEL, Field, Material, question_on
from signoff.plan.dialects.headings import is_text_heading
from signoff.plan.dialects.sources import Arguments, prose_of, sources
from signoff.plan.dialects.texts import Found
from signoff.plan.dialects.values import (
    is_address_list,
    is_one_currency,
    is_outside,
    is_same,
    read_address,
    sum_of,
)
from signoff.plan.expressions import OPEN

_SHOWN = 60
_NOTHING = frozenset({BLANK, COMMENT, RULE})
_NONE_AT_ALL = "the note has none."
_NO_TEXT = "Put the text under a heading `## Message`."


def note_arguments(
    material: Material, action: Action, *, line: int, sections: range | None = None
) -> Arguments:
    """The arguments that a note gives an action in fields and texts.

    Args:
        material: the note.
        action: with its `arguments`.
        line: where the action is named, for what is missing.
        sections: the sections of the body that count; all of them, and the front matter, where None.
    """
    found = Arguments()
    fields, texts = sources(material, action, sections, found)
    settled = settle(action, fields, texts, line=line, found=found)
    question = settled.question
    if question is not None and question.message.endswith(_NONE_AT_ALL):
        settled.question = _which_text(material, action, question)
    return settled


def _which_text(material: Material, action: Action, question: NoteError) -> NoteError:
    """The question for a text that is missing, with what there is in the note."""
    body = material.body
    own = [section for section in body.sections if not section.theirs]
    headed = (each for each in own if each.level and is_text_heading(each.title))
    empty = next((each for each in headed if all(row.kind in _NOTHING for row in body.own_rows(each))), None)
    if empty is not None:
        message = f"`{action.name}` needs a text, and there is none under `{empty.title[:_SHOWN]}`."
        return NoteError(message, code=question.code, hint="Write it there.", line=empty.line)
    rows = (row for section in own for row in body.own_rows(section))
    if not any(row.kind == TEXT and not LABEL.match(row.text) for row in rows):
        return question
    return NoteError(
        f"`{action.name}` needs a text, and nothing says which part of the note it is.",
        code=question.code,
        hint="Put a heading `## Message` above the text, and another one above what follows it.",
        line=question.line,
        column=question.column,
    )


def settle(
    action: Action,
    fields: Sequence[Field],
    texts: Sequence[Found] = (),
    *,
    line: int,
    found: Arguments | None = None,
) -> Arguments:
    """Each argument's one value, or the question.

    Args:
        action: with its `arguments`.
        fields: everything that is said by name; what no argument answers to is left out.
        texts: candidates for the action's prose.
        line: where the action is named.
        found: holds a question that was met on the way.
    """
    found = found or Arguments()
    prose = prose_of(action)
    for argument in action.arguments:
        given = [each for each in fields if action.argument(each.key) is argument]
        if argument is prose:
            given += [
                Field("text", argument.name, text.value, text.line, text.column, "text") for text in texts
            ]
        try:
            _one(action, argument, given, line, found)
        except NoteError as error:
            found.ask(error)
    _take_currency(found)
    return found


# ---------------------------------------------------------------- what they say


def _one(action: Action, argument: Argument, given: list[Field], line: int, found: Arguments) -> None:
    """Puts the argument's value into what was found.

    Raises:
        NoteError: the question.
    """
    said = [each for each in given if not is_absent(each.value)]
    if argument.kind == "email" and any("@" in str(each.value) for each in said):
        said = [each for each in said if "@" in str(each.value)]  # the others are names beside the address
    if not said:
        if argument.required:
            raise _missing(action, argument, given, line)
        return
    first = said[0]
    other = next((each for each in said[1:] if not is_same(first.value, each.value, argument.kind)), None)
    if other is not None:
        raise _disagree(argument, first, other)
    _refuse_placeholder(argument, first)
    if argument.kind == "amount":
        _take_sum(argument, said, found)
    else:
        found.values[argument.name] = _value(argument, first)


def _value(argument: Argument, given: Field) -> Json:
    """A value as its kind wants it."""
    if argument.kind == "email":
        return _recipients(argument, given)
    if argument.kind == "file":
        return _path(argument, given)
    value = given.value
    if isinstance(value, dict | bool) or (isinstance(value, list) and argument.kind == "prose"):
        raise question_on(
            "wrong-type",
            given,
            f"`{given.name}` must be a text.",
            f'Write `{given.name}: "..."` with the text.',
        )
    if not isinstance(value, str):
        return value
    return value.strip("\n") if argument.kind == "prose" else value.strip()


def _recipients(argument: Argument, given: Field) -> Json:
    entries = given.value if isinstance(given.value, list) else [given.value]
    read = [read_address(str(entry)) for entry in entries]
    for entry in read:
        if not is_address_list(entry):
            raise question_on(
                "address-missing",
                given,
                f"`{entry[:_SHOWN]}` is not an e-mail address, so `{argument.name}` is not known.",
                f"Write the address alone: `{argument.name}: name@example.com`.",
            )
    return [*read] if isinstance(given.value, list) else read[0]


def _path(argument: Argument, given: Field) -> Json:
    entries = given.value if isinstance(given.value, list) else [given.value]
    paths = [str(entry).strip().strip("`").removeprefix("[[").removesuffix("]]") for entry in entries]
    for path in paths:
        if is_outside(path) and not path.startswith("https://"):
            raise question_on(
                "file-outside",
                given,
                f"`{path[:_SHOWN]}` is not in the vault.",
                "Copy the file into the vault, and write its path from there.",
            )
        if not any(sign in path for sign in "./\\"):
            raise question_on(
                "file-unclear",
                given,
                f"`{path[:_SHOWN]}` does not say which file `{argument.name}` is.",
                "Write its path in the vault, such as `Files/report.pdf`, or delete the line.",
            )
    return [*paths] if isinstance(given.value, list) else paths[0]


def _take_sum(argument: Argument, said: Sequence[Field], found: Arguments) -> None:
    """The sum as a number; its currency, where one is named, goes into an argument of its own."""
    for given in said:
        read = sum_of(given.value)
        if read is None:
            raise _sum_unclear(argument, given)
        found.values.setdefault(argument.name, read[0])
        if read[1] and found.currency is None:
            found.currency = (read[1], given)


def _take_currency(found: Arguments) -> None:
    """The currency of the sum, beside one that is named by itself."""
    if found.currency is None:
        return
    currency, given = found.currency
    named = found.values.get("currency")
    if named is None:
        if currency != "$":
            found.values["currency"] = currency
    elif not is_one_currency(str(named).strip().upper(), currency):
        message = f"The sum is in {currency}, and `currency` is `{str(named)[:_SHOWN]}`."
        found.ask(question_on("values-disagree", given, message, "Keep one of them."))


def _missing(action: Action, argument: Argument, given: Sequence[Field], line: int) -> NoteError:
    at = given[0] if given else None
    place, column = (at.line, at.column) if at else (line, None)
    said = (
        f"`{str(at.value).strip()[:_SHOWN]}` is none" if at and str(at.value or "").strip() else "it is empty"
    )
    if argument.kind == "prose":
        where = "there is none under its heading." if at else _NONE_AT_ALL
        message = f"`{action.name}` needs a text, and {where}"
        return NoteError(message, code="text-missing", hint=_NO_TEXT, line=place, column=column)
    nowhere = f"and {said}" if at else "and the note does not say it"
    return NoteError(
        f"`{action.name}` needs `{argument.name}`, {nowhere}.",
        code="argument-missing",
        hint=f"Add a line `{argument.name}: ...` to the front matter.",
        line=place,
        column=column,
    )


def _disagree(argument: Argument, first: Field, other: Field) -> NoteError:
    if argument.kind == "prose":
        message = f"There are two texts, in lines {first.line} and {other.line}, and they differ."
    else:
        one, two = (" ".join(str(each.value).split())[:_SHOWN] for each in (first, other))
        message = f"The note gives `{argument.name}` twice: `{one}` in line {first.line}, and `{two}`."
    return question_on("values-disagree", other, message, "Keep one of them, or make both the same.")


def _refuse_placeholder(argument: Argument, given: Field) -> None:
    for text in _texts(given.value):
        if found := placeholder_in(text):
            raise placeholder_question(found, text, given.line, given.column, argument.name)


def placeholder_question(
    found: tuple[int, str], text: str, line: int, column: int | None, name: str
) -> NoteError:
    """The question for what is still to be filled in, at its own line and column."""
    at, shown = found
    above = text.count("\n", 0, at)
    place = at - (text.rfind("\n", 0, at) + 1) + 1 if above else (column or 1) + at
    kind = "an expression" if shown.startswith(OPEN[:2]) else "still to be filled in"
    return NoteError(
        f"`{shown[:_SHOWN]}` in `{name}` is {kind}.",
        code="placeholder",
        hint="Write what is meant in its place. (Where these very characters are meant, write the plan with"
        " `action:` and `with:`: nothing under `with:` is taken for something to be filled in.)",
        line=line + above,
        column=place,
    )


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _sum_unclear(argument: Argument, given: Field) -> NoteError:
    shown = " ".join(str(given.value).split())[:_SHOWN]
    digits = any(char.isdigit() for char in shown)
    return question_on(
        "amount-unclear" if digits else "amount-missing",
        given,
        f"`{shown}` is no plain sum."
        if digits
        else f"`{shown}` has no digits: how much is `{argument.name}`?",
        f"Write digits with a point, and the currency by its code: `{argument.name}: 1250.50 EUR`.",
    )


def any_text(values: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Every text among values, with the name it stands under."""
    for name, value in values.items():
        for text in _texts(value):
            yield name, text


__all__ = ["Arguments", "any_text", "note_arguments", "placeholder_question", "prose_of", "settle"]
