"""Arguments are checked against the tool's schema, in plain words, in bounded time, without the network."""

from __future__ import annotations

import socket

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan_material import TEXT, schema
from signoff.errors import NoteError
from signoff.model import Json, JsonObject, Tool
from signoff.plan.schema import problems
from signoff.plan.validator import MOST_REFERENCES


def told(arguments: dict[str, Json], form: JsonObject, **more: object) -> list[str]:
    found = problems(arguments, Tool("do", "", form), server="srv", **more)
    return [f"{problem.code}: {problem.message} {problem.hint}".strip() for problem in found]


FORM = schema(
    ("to",),
    to=TEXT,
    subject={"type": "string", "minLength": 3, "maxLength": 5},
    amount={"type": "number", "exclusiveMinimum": 0, "maximum": 500, "multipleOf": 0.5},
    count={"anyOf": [{"type": "integer"}, {"type": "null"}]},
    flag={"type": "boolean"},
    lines={"type": "array", "items": schema(("sku",), sku=TEXT), "maxItems": 2, "uniqueItems": True},
    kind={"enum": ["invoice", "offer"]},
    mark={"const": "x"},
    code={"type": "string", "pattern": "^[A-Z]+$"},
    either={"anyOf": [{"type": "string", "minLength": 3}, schema(("a",), a=TEXT)]},
)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "argument-missing: `srv.do` needs the argument `to`, a text. Add `to:` under `with:`."),
        ({"to": 5}, 'must be a text; it is the number 5. Put it in quotes: `"5"`.'),
        ({"to": True}, 'must be a text; it is `true`. Put it in quotes: `"true"`.'),
        ({"to": None}, "must be a text; it is `null`."),
        ({"to": "a", "subject": "ab"}, 'must have at least 3 characters; it is the text "ab".'),
        ({"to": "a", "subject": "abcdef"}, "must have at most 5 characters"),
        ({"to": "a", "amount": "12"}, 'it is the text "12". Write it without quotes: `12`.'),
        ({"to": "a", "amount": "twelve"}, 'must be a number; it is the text "twelve".'),
        ({"to": "a", "amount": 0}, "must be more than 0"),
        ({"to": "a", "amount": 501}, "must be at most 500; it is the number 501."),
        ({"to": "a", "amount": 0.3}, "must be a multiple of 0.5"),
        ({"to": "a", "count": "x"}, "must be a whole number or null"),
        ({"to": "a", "flag": "true"}, 'must be true or false; it is the text "true". Write it'),
        ({"to": "a", "lines": "one"}, 'it is the text "one". Write it as a list: `[one]`.'),
        ({"to": "a", "lines": [{}]}, "`lines[0].sku`, a text. Add `sku` to `lines[0]`."),
        ({"to": "a", "lines": [{"sku": "a"}, {"sku": "b"}, {"sku": "c"}]}, "must have at most 2 items"),
        ({"to": "a", "lines": [{"sku": "a"}, {"sku": "a"}]}, "has an item twice"),
        ({"to": "a", "kind": "invoce"}, 'one of `invoice`, `offer`; it is the text "invoce". Did you mean'),
        ({"to": "a", "mark": "y"}, "must be `x`"),
        ({"to": "a", "code": "abc"}, "must match the pattern `^[A-Z]+$`"),
        ({"to": "a", "either": {}}, "fits none of the forms"),
        ({"to": "a", "tooo": 1}, "argument-unknown: `srv.do` has no argument `tooo`. Did you mean"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_plain_words(arguments, says):
    (line,) = told(arguments, FORM)
    assert says in line


def test_good_arguments_have_no_problem():
    assert (
        told({"to": "a", "subject": "abc", "amount": 1.5, "count": None, "lines": [{"sku": "x"}]}, FORM) == []
    )


def test_a_misspelt_argument_comes_first_and_names_the_one_that_is_missing():
    first, second = told({"too": "a"}, schema(("to",), to=TEXT))
    assert "has no argument `too`. Did you mean `to`?" in first
    assert second.startswith("argument-missing")


@pytest.mark.parametrize(
    ("form", "is_question"),
    [
        ({"type": "object", "properties": {"a": {}}}, True),
        ({"type": "object", "properties": {}}, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, False),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "number"}}, False),
        ({"type": "object", "properties": {"a": {}}, "patternProperties": {"^x": {}}}, False),
        ({"type": "object", "properties": {"a": {}}, "allOf": [{"properties": {"x": {}}}]}, False),
        ({"type": "object"}, False),
        ({}, False),
    ],
)
def test_an_argument_that_the_server_would_silently_ignore_is_a_question(form, is_question):
    assert bool(told({"x": 1}, form)) is is_question


def test_arguments_are_named_as_they_were_written():
    (line,) = told({}, schema(("recipient",), recipient=TEXT), written_as={"recipient": "to"})
    assert "needs the argument `to`" in line
    (line,) = told(
        {"recipient": "a", "tx": 1}, schema((), recipient=TEXT, text=TEXT), written_as={"text": "body"}
    )
    assert "Did you mean `body`?" in line


@pytest.mark.promise("7")
def test_what_is_filled_in_later_is_present_but_not_judged():
    late = {("to",), ("amount",), ("lines", 0, "sku"), ("kind",), ("either", "a")}
    arguments: dict[str, Json] = {
        "to": "${{ item }}",
        "amount": "${{ item }}",
        "lines": [{"sku": "${{ item }}"}],
        "kind": "${{ item }}",
        "either": {"a": "${{ item }}"},
    }
    assert told(arguments, FORM, late=late) == []
    assert told({**arguments, "lines": [{"sku": "${{ item }}"}] * 3}, FORM, late=late)
    assert told({"to": "${{ item }}", "amount": "${{ item }} EUR"}, FORM, late={("to",), ("amount",)})


# ---------------------------------------------------------------- schemas that nobody here wrote


@pytest.mark.parametrize(
    "form",
    [
        {"type": "objekt"},
        {"properties": {"a": {"$ref": "#/$defs/gone"}}},
        {"properties": {"a": {"$ref": "#/properties/a"}}},
        {"properties": {"a": {"$ref": "https://example.com/schema.json"}}},
        {"$id": "https://example.com/x", "properties": {"a": {"$ref": "other.json"}}},
        {"properties": [1]},
        {"description": "x" * 2_000_000},
        {
            "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)}
            | {"d60": {}},
            "$ref": "#/$defs/d0",
        },
    ],
)
def test_a_schema_that_cannot_be_used_is_a_question_that_names_the_server(form, monkeypatch):
    def refuse(*_: object, **__: object) -> object:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(NoteError) as caught:
        told({"a": 1}, form)
    assert caught.value.code == "schema-broken"
    assert "`srv`" in caught.value.message
    assert "Nothing is wrong with the note" in caught.value.hint


def test_the_bound_on_references_is_for_one_validation():
    form = {"$defs": {"t": TEXT}, "properties": {"a": {"items": {"$ref": "#/$defs/t"}}}}
    many: list[Json] = ["x"] * (MOST_REFERENCES - 1)
    assert told({"a": many}, form) == told({"a": many}, form) == []


@pytest.mark.parametrize(
    "form",
    [
        {"properties": {"a": {"pattern": "^(a+)+$"}}},
        {"properties": {"a": {}}, "propertyNames": {"pattern": "^(a+)+$"}},
        {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False},
        {"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False},
    ],
)
def test_a_pattern_that_takes_for_ever_elsewhere_is_matched_at_once(form):
    hard = "a" * 5000 + "!"
    problems({"a": hard, hard: 1}, Tool("do", "", form), server="srv")


def test_a_pattern_that_cannot_be_matched_in_linear_time_is_left_to_the_server():
    assert told({"a": "x"}, {"properties": {"a": {"pattern": "(?=y)"}}}) == []


def test_a_long_list_without_order_is_compared_at_once():
    form = {"properties": {"a": {"uniqueItems": True}}}
    mixed: list[Json] = [value for number in range(20_000) for value in (number, str(number), [number])]
    assert told({"a": mixed}, form) == []
    assert told({"a": [*mixed, 7]}, form)


@pytest.mark.parametrize(
    ("draft", "is_wrong"),
    [
        ("http://json-schema.org/draft-04/schema#", True),
        ("http://json-schema.org/draft-07/schema", False),
        ("https://json-schema.org/draft/2020-12/schema", False),
        ("https://example.com/my-own", False),
    ],
)
def test_the_draft_is_the_one_that_the_schema_names(draft, is_wrong):
    # Only from draft 6 on is a number the bound itself; draft 4 has a flag there.
    form: JsonObject = {"$schema": draft, "properties": {"a": {"maximum": 5, "exclusiveMaximum": 9}}}
    if is_wrong:
        with pytest.raises(NoteError):
            told({"a": 1}, form)
    else:
        assert told({"a": 1}, form) == []


forms = st.recursive(
    st.sampled_from(
        [TEXT, {"type": "number", "minimum": 3}, {"enum": ["a", 1]}, {"type": ["null", "boolean"]}, {}]
    ),
    lambda inner: (
        st.builds(lambda form: {"type": "array", "items": form, "uniqueItems": True}, inner)
        | st.builds(
            lambda properties, required: {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": False,
            },
            st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            st.lists(st.sampled_from("ab"), unique=True),
        )
        | st.builds(lambda some: {"anyOf": some}, st.lists(inner, min_size=1, max_size=2))
    ),
    max_leaves=6,
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 5) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=6,
)


@given(forms, values)
def test_there_is_a_problem_exactly_where_the_schema_is_violated(form, value):
    whole = {"type": "object", "properties": {"x": form}}
    assert bool(told({"x": value}, whole)) is not jsonschema.Draft202012Validator(whole).is_valid(
        {"x": value}
    )
