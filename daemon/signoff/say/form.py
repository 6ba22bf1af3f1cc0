"""A server's question as a form in the note, and what a person typed into it, read back. Pure.

The lines are the daemon's, up to the colon; what follows on the same line is the person's. A line counts only
if it is exactly the one that was written for that field of that question, as an item of a list and once, so
that nothing in the server's words, which are all escaped or fenced, can pass for a field, a box or an answer.
What was typed is carried from write to write as it stands until the answer is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from signoff.errors import RequestRefused
from signoff.form import FORMAT_WORDS, Field, Form, Kind, read_answers, read_form
from signoff.model import Inquiry, Json, JsonObject, Method, Question, StepState
from signoff.redact import Redactor, looks_secret
from signoff.say.block import callout, paragraphs
from signoff.say.calls import shell_word
from signoff.say.escape import code, fenced, inline, sentence
from signoff.say.steps import name_of, number_of
from signoff.say.view import OpenQuestion, PlanView
from signoff.say.words import joined

SEND, DONE_IT, DECLINE = "Send this answer", "I have done it", "Decline"
BOTH = "both"
"""Both boxes of a question are ticked, which is no answer."""
UNFIT = "answer-unfit"
"""The reason code of an answer that does not fit its form."""

_BOX = re.compile(rf"({SEND}|{DONE_IT}|{DECLINE}) \(question ([0-9]{{1,15}})\)")


def opened(step: StepState, question: Question, kept: JsonObject) -> OpenQuestion:
    """A question with its form, from the blob that it is kept in.

    Raises:
        FormRefused: it is no form any more.
    """
    inquiry = Inquiry.of_json(kept)
    return OpenQuestion(
        step, question, inquiry, Form() if inquiry.mode == "url" else read_form(inquiry.schema)
    )


# ---------------------------------------------------------------- the question, to be answered


def questions(view: PlanView) -> list[str]:
    """Each open question as a callout with its form."""
    return [_callout(view, asked) for asked in view.questions]


def _callout(view: PlanView, asked: OpenQuestion) -> str:
    question = asked.question
    lines = paragraphs(
        f"In step {number_of(view, asked.step)} ({name_of(view, asked.step)}) the server "
        f"{code(question.server)} (tool {code(question.tool)}) asks, and the call waits for your answer:"
    )
    lines += [*fenced(view.redactor.text(asked.inquiry.message)), ""]
    lines += _address(view, asked) if asked.inquiry.mode == "url" else _fields(view, asked)
    lines += [*_boxes(view, asked), "", *paragraphs(_limits(view, asked))]
    return callout("question", f"Signoff: {code(question.server)} asks you", lines)


def _fields(view: PlanView, asked: OpenQuestion) -> list[str]:
    lines = paragraphs(_how_to_fill_in(view, asked), _warning(asked.form))
    typed = typed_texts(view.typed, asked, view.redactor)
    problems = read_answers(asked.form, typed).problems
    told = view.state.reason == UNFIT
    for number, field in enumerate(asked.form.fields, start=1):
        lines.append(_filled(_wordings(asked, number, field, view.redactor), view.typed))
        if field.name in problems and (told or typed.get(field.name)):
            lines.append(f"  ✗ {problems[field.name]}")
    if asked.form.fields:
        lines.append("")
    return lines


def _how_to_fill_in(view: PlanView, asked: OpenQuestion) -> str:
    if view.requirement.method is Method.SIGNATURE:
        return "This plan needs a signature, and so does the answer: it cannot be given in the note."
    if not asked.form.fields:
        return f"It asks for nothing but your consent. Tick **{SEND}** to give it."
    said = (
        f"Write after each colon, on the same line, then tick **{SEND}**. What does not fit is said here, "
        "and nothing is sent before all of it fits."
    )
    if view.requirement.method is not Method.CODE:
        return said
    return f"{said} Then it says here what would be sent; a code typed after that sends exactly this."


def _warning(form: Form) -> str:
    secret = [code(field.name) for field in form.fields if asks_for_secret(field)]
    if not secret:
        return ""
    return (
        f"**Careful:** {joined(secret)} looks like a password or key. Servers may not ask for these in this "
        "way; decline, unless you know that it is something else."
    )


def asks_for_secret(field: Field) -> bool:
    """Does a field look as if it asked for a password, a key or the like? Its value is shown nowhere then."""
    return looks_secret(field.name) or looks_secret(field.title)


def _address(view: PlanView, asked: OpenQuestion) -> list[str]:
    url = asked.inquiry.url
    host = urlsplit(url).hostname or ""
    odd = "xn--" in host or not host.isascii()
    return [
        *paragraphs(
            f"It wants you to do something at an address on the host {code(host)}, outside of this program. "
            "Nothing was opened. Go there only if you know this host and expected this.",
            "**Careful:** the name of this host has letters of other alphabets, which may look like another."
            if odd
            else "",
        ),
        *fenced(view.redactor.text(url)),
        "",
    ]


def field_row(question: Question, number: int, field: Field, redactor: Redactor) -> str:
    """The daemon's part of a field's line: number, name, and in brackets what it takes."""

    def said(text: str) -> str:
        return sentence(redactor.text(text))

    name = said(field.title) if field.title == field.name else f"{said(field.title)}, {code(field.name)}"
    words = [said(field.description), *_terms(field, redactor)]
    words.append("must be filled in" if field.required and field.default is None else "may be left empty")
    return f"- {question.number}.{number} {name} ({'; '.join(word for word in words if word)}):"


def _terms(field: Field, redactor: Redactor) -> list[str]:
    terms = [_kind(field, redactor), _range(field)]
    if field.default is not None:
        terms.append(f"empty means {inline(redactor.json(field.default))}")
    return terms


def _kind(field: Field, redactor: Redactor) -> str:
    if field.choices:
        chosen = [
            f"{number} {code(redactor.text(choice.title))}"
            + ("" if choice.title == choice.value else f" = {code(redactor.text(choice.value))}")
            for number, choice in enumerate(field.choices, start=1)
        ]
        several = ", with commas between them" if field.kind is Kind.SEVERAL else ""
        return f"{field.kind.value}{several}: {', '.join(chosen)}"
    return FORMAT_WORDS.get(field.format, field.kind.value)


def _range(field: Field) -> str:
    unit = {Kind.TEXT: " characters", Kind.SEVERAL: " of them"}.get(field.kind, "")
    if field.least is not None and field.most is not None:
        return f"{field.least:g} to {field.most:g}{unit}"
    if field.least is not None:
        return f"at least {field.least:g}{unit}"
    return f"at most {field.most:g}{unit}" if field.most is not None else ""


def code_row(question: Question) -> str:
    """The line for a one-time code, where the plan needs one."""
    return f"- Code for question {question.number} (six digits, from your authenticator):"


def box(question: Question, what: str) -> str:
    """The label of one of a question's boxes."""
    return f"{what} (question {question.number})"


def _boxes(view: PlanView, asked: OpenQuestion) -> list[str]:
    method = view.requirement.method
    lines: list[str] = []
    if method is Method.CODE:
        lines += _offered(view, asked)
        lines += [_filled([code_row(asked.question)], view.typed), ""]
    if method is not Method.SIGNATURE:
        lines.append(f"- [ ] {box(asked.question, DONE_IT if asked.inquiry.mode == 'url' else SEND)}")
    return [*lines, f"- [ ] {box(asked.question, DECLINE)}"]


def _offered(view: PlanView, asked: OpenQuestion) -> list[str]:
    """What a code would send, as it was read: a code counts for nothing else."""
    if asked.offered is None:
        return []
    hidden = view.hide(asked.offered, names_with_secrets(asked.form))
    return paragraphs(
        f"**This would be sent:** {_values(view, hidden)}. To send exactly this, type a code and tick "
        f"**{SEND}** again."
    )


def _limits(view: PlanView, asked: OpenQuestion) -> str:
    plan, number = shell_word(view.state.id), number_of(view, asked.step)
    values = " …" if asked.form.fields else " --accept"
    evidence = {Method.CODE: " --code CODE", Method.SIGNATURE: " --sign KEY"}.get(view.requirement.method, "")
    until = asked.question.until
    end = (
        f"Without an answer until {view.moment(until)} the server is told that there is none. "
        if until
        else ""
    )
    return f"{end}In a terminal: {code(f'signoff answer {plan} {number}{values}{evidence}')}."


def _filled(rows: Sequence[str], typed: Sequence[str]) -> str:
    """A line in its first wording, with what a person typed on it, as it stands in the note."""
    return rows[0] + _typed_on(typed, rows)


def carried_over(view: PlanView) -> list[str]:
    """The lines with what a person typed that are written in another wording now."""
    found = []
    for asked in view.questions:
        rows = rows_of(asked, view.redactor)
        older = {row for wording in asked.rows for row in wording} - set(rows)
        found += [text for text in view.typed if any(text.startswith(row) for row in older)]
    return found


# ---------------------------------------------------------------- what was typed


def rows_of(asked: OpenQuestion, redactor: Redactor) -> list[str]:
    """The daemon's part of every line of a form that a person may type on."""
    fields = enumerate(asked.form.fields, start=1)
    rows = [field_row(asked.question, number, field, redactor) for number, field in fields]
    return [*rows, code_row(asked.question)]


def _wordings(asked: OpenQuestion, number: int, field: Field, redactor: Redactor) -> list[str]:
    """A field's line as it is worded now, then as it was before."""
    now = field_row(asked.question, number, field, redactor)
    return list(dict.fromkeys([now, *(rows[number - 1] for rows in asked.rows)]))


def typed_texts(items: Sequence[str], asked: OpenQuestion, redactor: Redactor) -> dict[str, str]:
    """What was typed into each field, by its name; nothing for a field whose line is gone or there twice.

    Args:
        items: the first line of each item of a list in the daemon's section (`note.splice_section`).
        asked: the question.
        redactor: as when it was written.
    """
    typed = {}
    for number, field in enumerate(asked.form.fields, start=1):
        text = _typed_on(items, _wordings(asked, number, field, redactor)).strip()
        if text:
            typed[field.name] = text
    return typed


def require_lines(section: str, asked: OpenQuestion, redactor: Redactor) -> None:
    """Every field's line must stand there as it was written, once, and nothing between them.

    Else what was typed may be overlooked, or read by half.

    Raises:
        RequestRefused: `answer-unfit`.
    """
    items = [line.lstrip("> \t").rstrip() for line in section.splitlines()]
    for number, field in enumerate(asked.form.fields, start=1):
        rows = _wordings(asked, number, field, redactor)
        if sum(any(text.startswith(row) for row in rows) for text in items) != 1:
            raise RequestRefused(
                f"Nothing was sent: {code(field.name)}: its line in the form is not as it was written. It is "
                "written anew; type after its colon.",
                code=UNFIT,
            )
    if _between(items, asked, redactor):
        raise RequestRefused(
            "Nothing was sent: each answer is one line, and what stands between the lines of the form would "
            "not be read. It is kept below; put it after the colon it belongs to, or use `signoff answer`.",
            code=UNFIT,
        )


def _between(items: Sequence[str], asked: OpenQuestion, redactor: Redactor) -> bool:
    """Does anything stand between a form's lines, up to its boxes, that is none of them, nor said of one?"""
    known = [*rows_of(asked, redactor), *(row for wording in asked.rows for row in wording)]
    places = [place for place, text in enumerate(items) if any(text.startswith(row) for row in known)]
    if not places:
        return False
    last = f"(question {asked.question.number})"
    boxes = (place for place, text in enumerate(items) if place > places[0] and text.endswith(last))
    own = ("✗ ", "**This would be")
    return any(
        text and place not in places and not text.startswith(own)
        for place, text in enumerate(items[: next(boxes, None)])
        if place > places[0]
    )


def typed_code(items: Sequence[str], question: Question) -> str:
    """The one-time code that was typed beside an answer; empty where there is none."""
    return _typed_on(items, [code_row(question)]).strip()


def code_rows(items: Sequence[str], question: Question) -> list[str]:
    """The lines with a code for a question: read once, whatever becomes of it, then nowhere."""
    return [text for text in items if text.startswith(code_row(question)) and text != code_row(question)]


def _typed_on(items: Sequence[str], rows: Sequence[str]) -> str:
    """What stands after a line's own words; nothing where the line is gone, or there twice."""
    found = [(text, row) for text in items for row in rows if text.startswith(row)]
    if len({text for text, _ in found}) != 1 or sum(items.count(text) for text in {found[0][0]}) != 1:
        return ""
    return min((text[len(row) :] for text, row in found), key=len)


def consumed_rows(items: Sequence[str], asked: OpenQuestion, redactor: Redactor) -> list[str]:
    """The lines of a question's form as they stand in the note, once they have been read for good."""
    rows = [*rows_of(asked, redactor), *(row for wording in asked.rows for row in wording)]
    return [text for text in items if any(text.startswith(row) for row in rows)]


def replies(ticks: Iterable[tuple[str, bool]]) -> dict[int, str]:
    """What a person ticked: by question, `accept`, `decline`, or `BOTH`.

    A box that stands there twice is none.
    """
    found: dict[int, list[tuple[str, bool]]] = {}
    for label, ticked in ticks:
        match = _BOX.fullmatch(label)
        if match is not None:
            found.setdefault(int(match[2]), []).append((match[1], ticked))
    said: dict[int, str] = {}
    for number, boxes in found.items():
        ticked_ones = [what for what, ticked in boxes if ticked]
        if len({what for what, _ in boxes}) != len(boxes) or not ticked_ones:
            continue
        said[number] = BOTH if len(ticked_ones) > 1 else "decline" if ticked_ones[0] == DECLINE else "accept"
    return said


# ---------------------------------------------------------------- what became of questions


def answered(view: PlanView) -> list[str]:
    """The questions that are not open any more, a line each."""
    lines = [
        f"- {_became(view, step, question)}"
        for step in view.state.steps.values()
        for question in step.questions
        if question.action
    ]
    return [*lines, ""] if lines else []


def _became(view: PlanView, step: StepState, question: Question) -> str:
    said = sentence(view.redactor.text(question.message), limit=200)
    asked = f"Step {number_of(view, step)} was asked by {code(question.server)}: {said}"
    when = f" on {view.moment(question.answered)}" if question.answered else ""
    by = f" by {code(question.approver)}" if question.approver else ""
    why = f" ({code(question.reason)})" if question.reason else ""
    match question.action:
        case "accept":
            return f"{asked} Answered{by}{when}{_told(view, question)}."
        case "decline":
            return f"{asked} Declined{by}{when}{why}."
    if question.answer is not None or question.approver:
        return f"{asked} It was answered{by}{when}, but the answer was not sent{why}{_told(view, question)}."
    return f"{asked} Not answered{why}."


def _told(view: PlanView, question: Question) -> str:
    """The values of an answer, as they may be shown; empty where there are none."""
    listed = _values(view, question.answer) if question.answer else ""
    return f": {listed}" if listed else ""


def _values(view: PlanView, answer: Json) -> str:
    values = answer if isinstance(answer, dict) else {}
    listed = ", ".join(f"{code(name)} = {inline(view.hide(value))}" for name, value in values.items())
    return listed or "nothing but your consent"


def names_with_secrets(form: Form) -> frozenset[str]:
    """The fields whose values are shown nowhere."""
    return frozenset(field.name for field in form.fields if asks_for_secret(field))
