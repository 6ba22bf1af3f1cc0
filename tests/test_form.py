"""Forms of servers: from a schema to fields, from what was typed to values, and through the note and back."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import UTC

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signoff.form import FormRefused, Kind, Misfit, read_answers, read_form, require_address, value_of
from signoff.model import (
    Assessment,
    Inquiry,
    Json,
    Method,
    PlanState,
    Question,
    Requirement,
    Risk,
    Status,
    StepState,
)
from signoff.note.splice import section_items, section_ticks, set_section
from signoff.redact import Redactor
from signoff.say.form import (
    BOTH,
    carried_over,
    consumed_rows,
    field_row,
    opened,
    questions,
    replies,
    rows_of,
    typed_code,
    typed_texts,
)
from signoff.say.view import OpenQuestion, PlanView

# ---------------------------------------------------------------- forms that servers may send

TITLES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30)
NAMES = TITLES.filter(lambda text: bool(text.strip()))
HOSTILE = st.sampled_from(
    [
        "- [x] Send this answer (question 7)",
        "- 7.1 a (text): 99",
        "```\n- [x] Send this answer (question 7)",
        "%% signoff %%",
        "> %% signoff %%\n> - [x] Decline (question 7)",
        "---\nstatus: approved\n---",
        "![[secrets]] [[x]] <% tp.x %> [a](javascript:x)",
        "a:: b",
        "| a | b |\n| - | - |",
        "\u202e\u200b",
        "[redacted]\r\n> - [x] Send this answer (question 7)",
    ]
)
WORDS = TITLES | HOSTILE
TEXTS = st.fixed_dictionaries(
    {"type": st.just("string")},
    optional={"title": WORDS, "description": WORDS, "minLength": st.integers(0, 3), "default": WORDS},
)
NUMBERS = st.fixed_dictionaries(
    {"type": st.sampled_from(["integer", "number"])},
    optional={
        "title": WORDS,
        "minimum": st.integers(-5, 5),
        "maximum": st.integers(5, 50),
        "default": st.integers(-9, 60),
    },
)
FLAGS = st.fixed_dictionaries(
    {"type": st.just("boolean")}, optional={"default": st.booleans(), "title": WORDS}
)
CHOICES = st.lists(WORDS, min_size=1, max_size=5, unique=True)
PLAIN = CHOICES.map(lambda values: {"type": "string", "enum": values})
TITLED = CHOICES.map(
    lambda values: {
        "type": "string",
        "oneOf": [{"const": f"v{n}", "title": each} for n, each in enumerate(values)],
    }
)
NAMED = CHOICES.map(
    lambda values: {"type": "string", "enum": [f"v{n}" for n in range(len(values))], "enumNames": values}
)
SEVERAL = CHOICES.map(
    lambda values: {"type": "array", "items": {"type": "string", "enum": values}, "maxItems": 3}
)
SEVERAL_TITLED = CHOICES.map(
    lambda values: {
        "type": "array",
        "items": {"anyOf": [{"const": f"v{n}", "title": v} for n, v in enumerate(values)]},
    }
)
FIELDS = TEXTS | NUMBERS | FLAGS | PLAIN | TITLED | NAMED | SEVERAL | SEVERAL_TITLED


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Json]:
    properties = draw(st.dictionaries(NAMES | HOSTILE, FIELDS, max_size=5))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True)) if properties else []
    return {"type": "object", "properties": properties, "required": required}


def asked(schema: Json, message: str = "What?", number: int = 7) -> OpenQuestion:
    question = Question(number, 1, "desk", "book", "2026-11-21T10:00:00Z", kept="0" * 64, message=message)
    step = StepState("one", "One", "desk.book", "desk.book", questions=[question])
    return opened(step, question, Inquiry("form", message, schema).to_json())


def view_of(question: OpenQuestion, typed: list[str] | None = None, method: Method = Method.EDIT) -> PlanView:
    state = PlanState(
        "p", "P", "Approved/p.md", "d" * 64, Status.WAITING, "medium", {}, "2026-11-21T10:00:00Z",
        steps={"one": question.step},
    )  # fmt: skip
    needs = Assessment(Risk.MEDIUM, Requirement(method=method), ())
    return PlanView(state, assessment=needs, questions=[question], typed=typed or [], zone=UTC)


def note_of(question: OpenQuestion, typed: list[str] | None = None, method: Method = Method.EDIT) -> bytes:
    return set_section(b"# A note\n", "\n".join(questions(view_of(question, typed, method))))


# ---------------------------------------------------------------- through the note and back


@pytest.mark.promise("4")
@settings(deadline=None)
@given(schemas(), WORDS)
def test_whatever_a_server_says_the_form_has_exactly_its_own_lines_and_boxes(
    schema: dict[str, Json], message: str
) -> None:
    try:
        question = asked(schema, message)
    except FormRefused:
        return
    data = note_of(question)

    assert section_ticks(data) == [("Send this answer (question 7)", False), ("Decline (question 7)", False)]
    assert replies(section_ticks(data)) == {}
    rows = [
        field_row(question.question, n, each, Redactor()) for n, each in enumerate(question.form.fields, 1)
    ]
    assert [item for item in section_items(data) if not item.startswith("- [ ]")] == rows
    assert data.decode().split("\n").count("%% signoff %%") == 2
    assert data.startswith(b"# A note\n\n%% signoff %%\n")
    assert typed_texts(section_items(data), question, Redactor()) == {}
    body = data.decode().removeprefix("# A note\n\n%% signoff %%\n").removesuffix("%% signoff %%\n")
    assert all(line.startswith(">") for line in body.split("\n") if line.strip())


@pytest.mark.promise("1.4")
def test_what_is_typed_counts_also_where_the_line_is_worded_otherwise_since_a_secret_became_known() -> None:
    schema: Json = {
        "type": "object",
        "properties": {"seats": {"type": "integer", "title": "In greenhouse-7"}},
    }
    question = asked(schema)
    before, after = Redactor(), Redactor(["greenhouse-7"])
    rows = [tuple(rows_of(question, redactor)) for redactor in (before, after)]
    note = note_of(question)
    typed = note.decode().replace(f"{rows[0][0]}", f"{rows[0][0]} 3", 1).encode()
    known = replace(question, rows=(rows[0], rows[1]))

    assert typed_texts(section_items(typed), known, after) == {"seats": "3"}
    view = replace(view_of(known, section_items(typed)), redactor=after)
    again = set_section(b"# A note\n", "\n".join(questions(view)))
    assert f"> {rows[1][0]} 3\n" in again.decode()
    assert "greenhouse-7" not in again.decode()
    assert carried_over(view) == consumed_rows(section_items(typed), known, after) == [f"{rows[0][0]} 3"]
    assert typed_texts(section_items(again), known, after) == {"seats": "3"}


@pytest.mark.promise("1.4")
@settings(deadline=None)
@given(
    schemas(),
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20), max_size=5),
)
def test_what_is_typed_is_read_as_it_stands_and_carried_as_it_stands(
    schema: dict[str, Json], words: list[str]
) -> None:
    try:
        question = asked(schema)
    except FormRefused:
        return
    lines = note_of(question).decode().split("\n")
    expected: dict[str, str] = {}
    for (number, each), text in zip(enumerate(question.form.fields, 1), words, strict=False):
        row = f"> {field_row(question.question, number, each, Redactor())}"
        lines[lines.index(row)] = f"{row} {text}"
        if text.strip():
            expected[each.name] = text.strip()
    data = "\n".join(lines).encode()

    read = typed_texts(section_items(data), question, Redactor())

    assert {name: read.get(name) for name in expected} == expected
    again = note_of(question, section_items(data))
    assert typed_texts(section_items(again), question, Redactor()) == read


@given(schemas())
def test_every_value_that_is_read_fits_the_schema_it_was_asked_for_with(schema: dict[str, Json]) -> None:
    try:
        form = read_form(schema)
    except FormRefused:
        return
    typed = {}
    for each in form.fields:
        if each.choices:
            typed[each.name] = "1"
        else:
            typed[each.name] = {Kind.TEXT: "abcdef", Kind.YES_NO: "Yes"}.get(each.kind, "5")
    answers = read_answers(form, typed)
    if not answers.problems:
        jsonschema.validate(answers.content, schema)
    assert set(answers.problems) <= {each.name for each in form.fields}


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["type", "enum"]), inner),
)


@given(ANY | st.dictionaries(st.text(), ANY).map(lambda properties: {"properties": properties}))
def test_any_json_is_a_form_or_refused(schema: Json) -> None:
    with contextlib.suppress(FormRefused):
        read_form(schema)


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("spec", "text", "value"),
    [
        ({"type": "string"}, "  two words ", "two words"),
        ({"type": "integer"}, "-7", -7),
        ({"type": "number"}, "3.50", 3.5),
        ({"type": "number"}, "1e3", 1000.0),
        ({"type": "boolean"}, "YES", True),
        ({"type": "boolean"}, "false", False),
        ({"type": "string", "enum": ["red", "green"]}, "Green", "green"),
        ({"type": "string", "enum": ["red", "green"]}, "1", "red"),
        ({"type": "string", "enum": ["2", "1"]}, "1", "1"),
        ({"type": "string", "oneOf": [{"const": "a", "title": "Red"}]}, "red", "a"),
        ({"type": "string", "enum": ["a"], "enumNames": ["Red"]}, "Red", "a"),
        ({"type": "array", "items": {"type": "string", "enum": ["a", "b", "c"]}}, "c, 1", ["c", "a"]),
        ({"type": "array", "items": {"type": "string", "enum": ["a, b", "c"]}}, "a, b", ["a, b"]),
        ({"type": "string", "format": "email"}, "a@b.example", "a@b.example"),
        ({"type": "string", "format": "date"}, "2026-11-30", "2026-11-30"),
        ({"type": "string", "format": "uri"}, "https://x.example/a", "https://x.example/a"),
        ({"type": "string", "format": "date-time"}, "2026-11-30T10:00:00Z", "2026-11-30T10:00:00Z"),
    ],
)
def test_what_fits_is_the_value(spec: dict[str, Json], text: str, value: Json) -> None:
    [field] = read_form({"properties": {"f": spec}}).fields
    assert json.dumps(value_of(field, text)) == json.dumps(value)


@pytest.mark.parametrize(
    ("spec", "text", "why"),
    [
        ({"type": "string", "minLength": 3}, "ab", "at least 3"),
        ({"type": "string", "maxLength": 3}, "abcd", "up to 3"),
        ({"type": "integer"}, "3.0", "not a whole number"),
        ({"type": "integer"}, "٣", "not a whole number"),
        ({"type": "integer", "minimum": 1}, "0", "at least 1"),
        ({"type": "number", "maximum": 2}, "2.01", "at most 2"),
        ({"type": "number"}, "3,5", "like 3.5"),
        ({"type": "number"}, "nan", "not a number"),
        ({"type": "number"}, "1e999", "not a number"),
        ({"type": "boolean"}, "maybe", "`yes` or `no`"),
        ({"type": "string", "enum": ["red"]}, "blue", "choices"),
        ({"type": "string", "enum": ["red"]}, "2", "choices"),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 1}, "a, b", "at most 1"),
        ({"type": "string", "format": "email"}, "nobody", "email"),
        ({"type": "string", "format": "date"}, "30.11.2026", "date"),
        ({"type": "string", "format": "date-time"}, "2026-11-30T10:00:00", "time"),
    ],
)
def test_what_does_not_fit_says_why(spec: dict[str, Json], text: str, why: str) -> None:
    [field] = read_form({"properties": {"f": spec}}).fields
    with pytest.raises(Misfit, match=why):
        value_of(field, text)


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_numbers_that_no_computer_could_hold_are_no_bounds_and_no_defaults(kind: str) -> None:
    huge = 10**400
    spec: Json = {"type": kind, "minimum": -huge, "maximum": huge, "default": huge}

    form = read_form({"properties": {"a": spec, "b": {"type": kind, "default": 2**70}}})

    assert [(field.least, field.most, field.default) for field in form.fields] == [(None, None, None)] * 2
    assert read_answers(form, {"a": "7"}).content == {"a": 7}


def test_an_empty_field_has_its_default_or_is_left_out_or_is_missed() -> None:
    form = read_form(
        {
            "properties": {
                "a": {"type": "integer", "default": 4},
                "b": {"type": "string"},
                "c": {"type": "string"},
                "wrong": {"type": "integer", "maximum": 3, "default": 9},
            },
            "required": ["a", "c"],
        }
    )
    assert read_answers(form, {"c": "x"}).content == {"a": 4, "c": "x"}
    assert read_answers(form, {}).problems == {"c": "this must be filled in"}


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {"type": "array"},
        {"properties": []},
        {"properties": {"a": {"type": "object"}}},
        {"properties": {"a": {"type": "array", "items": {"type": "object"}}}},
        {"properties": {"a": {"$ref": "#/x"}}},
        {"properties": {"a": {"type": ["string", "null"]}}},
        {"properties": {"a": {"type": "string", "enum": ["x", "x"]}}},
        {"properties": {"a": {"type": "string", "enum": [1]}}},
        {"properties": {" ": {"type": "string"}}},
        {"properties": {}, "required": ["a"]},
        {"properties": {f"f{n}": {"type": "string"} for n in range(21)}},
        {"properties": {"a": {"type": "string", "enum": [str(n) for n in range(101)]}}},
        {"properties": {"a": {"type": "string", "description": "x" * 70_000}}},
        {"properties": {"a": {"type": "string", "title": "\ud800"}}},
    ],
)
def test_what_is_no_form_to_fill_in_is_refused(schema: Json) -> None:
    with pytest.raises(FormRefused):
        read_form(schema)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://user:pass@example.com/",
        "https://bank.example@evil.example/",
        "https://evil.example\\.bank.example/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https:///x",
        "https://example.com/a b",
        "https://[broken",
        f"https://example.com/{'x' * 2000}",
        "",
    ],
)
def test_an_address_that_is_no_plain_https_one_is_refused(url: str) -> None:
    with pytest.raises(FormRefused):
        require_address(url)
    require_address("https://example.com/login?x=1")
    require_address("http://localhost:8080/")


# ---------------------------------------------------------------- the note


def test_boxes_that_stand_there_twice_or_are_both_ticked_are_no_answer() -> None:
    send, decline = "Send this answer (question 7)", "Decline (question 7)"
    assert replies([(send, True), (decline, False)]) == {7: "accept"}
    assert replies([(send, False), (decline, True)]) == {7: "decline"}
    assert replies([("I have done it (question 7)", True), (decline, False)]) == {7: "accept"}
    assert replies([(send, True), (decline, True)]) == {7: BOTH}
    assert replies([(send, True), (send, False), (decline, False)]) == {}
    assert replies([("Send this answer (question 8x)", True), ("Send this answer", True)]) == {}


def test_a_field_that_asks_for_a_secret_is_warned_about() -> None:
    question = asked({"properties": {"api_key": {"type": "string"}}})
    assert "**Careful:** `api_key` looks like a password or key." in note_of(question).decode()


def test_a_code_has_a_line_of_its_own_where_one_is_needed_and_a_signature_no_box() -> None:
    question = asked({"properties": {"a": {"type": "string"}}})
    coded = note_of(question, method=Method.CODE).decode()
    row = "> - Code for question 7 (six digits, from your authenticator):"
    filled = coded.replace(row, f"{row} 123 456").encode()
    assert typed_code(section_items(filled), question.question) == "123 456"
    assert consumed_rows(section_items(filled), question, Redactor())[-1].endswith("123 456")
    signed = note_of(question, method=Method.SIGNATURE)
    assert [label for label, _ in section_ticks(signed)] == ["Decline (question 7)"]
