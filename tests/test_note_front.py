"""Front matter and fenced blocks are read strictly, and what is refused is said with its place and fix."""

from __future__ import annotations

import json
import string

import frontmatter
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from signoff.errors import NoteError
from signoff.note.document import parse
from signoff.note.front import Place, StrictYAML, load_fragment
from signoff.note.keys import READ_KEYS, look_alike
from signoff.note.places import MAX_DEPTH

BASE_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def values(block: str) -> dict[str, object]:
    front = parse(f"---\n{block}\n---\n".encode()).front
    assert front is not None
    return dict(front.values)


def refusal(block: str) -> NoteError:
    with pytest.raises(NoteError) as caught:
        parse(f"---\n{block}\n---\nbody\n".encode())
    return caught.value


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    "text",
    [
        "no",
        "yes",
        "on",
        "off",
        "y",
        "0755",
        "007",
        "+4930123456",
        "12:30:45",
        "2026-01-31",
        "1_000",
        "0b1",
        "1.2.3",
    ],
)
def test_what_yaml_1_1_takes_for_something_else_is_text(text):
    assert values(f"key: {text}") == {"key": text}


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("-12", -12),
        ("0o17", 15),
        ("0xFf", 255),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("9007199254740991", 2**53 - 1),
        ("'1'", "1"),
        ('"a\\nb"', "a\nb"),
        ("[a, 1, {b: null}]", ["a", 1, {"b": None}]),
        ("|\n  one\n  two", "one\ntwo\n"),
    ],
)
def test_scalars_are_those_of_the_core_schema(text, value):
    read = values(f"key: {text}")["key"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    ("block", "code", "line", "column"),
    [
        ("a: 1\na: 2", "yaml-duplicate-key", 3, 1),
        ("a: 1\nx: {b: 1, b: 1}", "yaml-duplicate-key", 3, 11),
        ("a: &x 1\nb: *x", "yaml-alias", 2, 4),
        ("a: *x", "yaml-alias", 2, 4),
        ("a: !!str 1", "yaml-tag", 2, 4),
        ("a: !x 1", "yaml-tag", 2, 4),
        ("a:\n  <<: {b: 1}", "yaml-merge-key", 3, 3),
        ("? [a]\n: 1", "yaml-complex-key", 2, 3),
        ("a: {{NAME}}", "yaml-complex-key", 2, 5),
        ("? a\n: 1", "yaml-complex-key", 2, 3),
        ("1: a", "yaml-key-not-text", 2, 1),
        ("true: a", "yaml-key-not-text", 2, 1),
        ("a: .inf", "value-not-exact", 2, 4),
        ("a: -.INF", "value-not-exact", 2, 4),
        ("a: .nan", "value-not-exact", 2, 4),
        ("a: 9007199254740992", "value-not-exact", 2, 4),
        ("a: 0.12345678901234567890", "value-not-exact", 2, 4),
        ("a: 1e999", "value-not-exact", 2, 4),
        ("a: 1\n...\nb: 1", "yaml-documents", 3, 1),
        ("%YAML 1.1", "yaml-invalid", 2, 10),
        ("- a\n- b", "front-matter-not-a-mapping", 2, 1),
        ("just text", "front-matter-not-a-mapping", 2, 1),
    ],
)
def test_what_goes_beyond_plain_data_is_refused_at_its_place(block, code, line, column):
    error = refusal(block)
    assert (error.code, error.line) == (code, line)
    if code != "yaml-invalid":
        assert error.column == column
    assert error.hint


@pytest.mark.promise("4")
@pytest.mark.parametrize("char", ["\x85", "\u2028", "\u2029", "\ufeff", "\x07", "\x9f", "\x7f"])
def test_a_character_that_readers_disagree_on_is_refused(char):
    error = refusal(f"a: 1\ntitle: a{char}status: approved")
    assert error.code == "control-character"
    assert (error.line, error.column) == (3, 9)


@pytest.mark.promise("4")
def test_a_lone_carriage_return_among_other_line_endings_is_refused():
    assert refusal("title: a\rstatus: approved").code == "control-character"


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    "key",
    [
        "Status",
        "STATUS",
        "ｓtatus",
        "sta\u200btus",
        "s\u00adtatus",
        "status\ufe0f",
        "\u202estatus",
        "ѕtatus",
        "stаtus",
        "ѕтатus",
        "ѕtátus",
        "ѕτατυs",
        "ѕtatuѕ",
        "aсtion",
        "approveԁ",
        "аpproval_code",
        "ıd",
    ],
)
def test_a_key_that_looks_like_one_that_is_read_is_refused(key):
    error = refusal(f"a: 1\n{key}: approved")
    assert error.code == "key-look-alike"
    assert (error.line, error.column) == (3, 1)
    assert look_alike(key) in READ_KEYS


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    "block", ['"status\\u200b": x', "steps:\n  - Action: x", "undo:\n  ACTION: x", '"status ": x']
)
def test_look_alikes_are_refused_in_steps_and_in_quotes_too(block):
    assert refusal(block).code == "key-look-alike"


def test_keys_of_arguments_are_the_tools_own():
    assert values("with:\n  list:\n  - Name: x") == {"with": {"list": [{"Name": "x"}]}}
    assert values("with:\n  Status: Done\n  Title: x") == {"with": {"Status": "Done", "Title": "x"}}


@pytest.mark.parametrize("key", ["статус", "مفتاح", "naïve", "tags", "件名", "état"])
def test_keys_in_other_languages_are_theirs(key):
    assert values(f"{key}: 1") == {key: 1}


@pytest.mark.promise("4")
@pytest.mark.parametrize("block", ["Colour: a\ncolour: b", 'ab: 1\n"a\\u200bb": 2', "ab: 1\nａb: 2"])
def test_two_keys_that_a_person_cannot_tell_apart_are_refused(block):
    assert refusal(block).code == "key-look-alike"


@pytest.mark.promise("4")
def test_nesting_is_bounded_before_anything_is_built():
    assert values("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    assert refusal("a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH).code == "yaml-too-deep"
    assert refusal("a: " + "[" * 200_000).code == "yaml-too-deep"


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    ("block", "line", "written"),
    [
        ("a: 1\nsubject: Re: offer", 3, 'subject: "Re: offer"'),
        ('from: "Ana" <ana@example.com>', 2, "from: '\"Ana\" <ana@example.com>'"),
        ('from: ""Ana" <ana@example.com>"', 2, "from: '\"Ana\" <ana@example.com>'"),
        ("to: @ana", 2, 'to: "@ana"'),
        ('a: "open\nb: 1', 2, 'a: "open"'),
        ("list:\n  - a: b: c", 3, '- a: "b: c"'),
        ("created: {{DATE}}", 2, 'created: "{{DATE}}"'),
        ("note: *important*", 2, 'note: "*important*"'),
        ("title: a\n  status: b", 3, "status: b"),
    ],
)
def test_a_known_breakage_is_answered_with_the_line_to_write(block, line, written):
    error = refusal(block)
    assert error.line == line
    assert f"`{written}`" in error.hint


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    ("block", "line", "words"),
    [
        ("a:\n\t- b", 3, "tab"),
        ("a: 1\nno colon here\nb: 1", 3, "key: value"),
        ("a: [1", 2, ""),
    ],
)
def test_every_breakage_has_a_line_a_column_and_a_hint(block, line, words):
    error = refusal(block)
    assert error.code == "yaml-invalid"
    assert error.line == line
    assert error.column is not None
    assert error.column >= 1
    assert error.hint
    assert words in str(error)


@pytest.mark.promise("4")
def test_a_closing_line_glued_to_the_last_value_is_found():
    with pytest.raises(NoteError) as caught:
        parse(b"---\na: 1\nstatus: done---\n\n# Title\n\n---\nfoot\n")
    assert (caught.value.code, caught.value.line, caught.value.column) == ("front-matter-glued", 3, 13)


@pytest.mark.promise("4")
def test_front_matter_that_is_not_closed_is_not_half_read():
    with pytest.raises(NoteError) as caught:
        parse(b"---\nstatus: approved\n\n# Title\n")
    assert caught.value.code == "front-matter-unclosed"


def test_places_name_every_key_and_item():
    front = parse("\ufeff---\r\na: 1\r\nb:\r\n  - x\r\n  - c: 2\r\n---\r\n".encode()).front
    assert front is not None
    assert front.places[("a",)] == Place(2, 1)
    assert front.places["b", 1] == Place(5, 5)
    assert front.places["b", 1, "c"] == Place(5, 5)


def test_python_frontmatter_reads_with_the_strict_handler():
    metadata, content = frontmatter.parse("---\nflag: no\n---\nbody", handler=StrictYAML())
    assert metadata == {"flag": "no"}
    assert content == "body"
    with pytest.raises(NoteError):
        frontmatter.parse("---\na: 1\na: 2\n---\n", handler=StrictYAML())


def test_the_handler_never_writes():
    with pytest.raises(NotImplementedError):
        frontmatter.dumps(frontmatter.Post("x"), handler=StrictYAML())


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ('{"a": 1, "a": 2}', "yaml-duplicate-key", 10, 13),
        ('{"a": NaN}', "json-invalid", 10, 10),
        ('{"a": 1,}', "json-invalid", 10, 12),
        ('{\n "a": 1 // x\n}', "json-invalid", 11, 12),
        ('{"a": 12345678901234567890}', "value-not-exact", 10, 10),
        ('{"a": 0.12345678901234567890}', "value-not-exact", 10, 10),
        ('{"a": 01}', "json-invalid", 10, 11),
        ('{"Action": 1}', "key-look-alike", 10, 5),
        ('{"a": "\\ud800"}', "json-invalid", 10, 10),
        ('{"a": "x', "json-invalid", 10, 10),
        ("[1] 2", "json-invalid", 10, 8),
        ("", "json-invalid", 10, 4),
        ("[" * 65 + "]" * 65, "yaml-too-deep", 10, 68),
    ],
)
def test_json_in_a_fence_is_as_strict_and_says_where(text, code, line, column):
    with pytest.raises(NoteError) as caught:
        load_fragment(text, first_line=10, column_offset=3, language="json")
    assert (caught.value.code, caught.value.line, caught.value.column) == (code, line, column)


def test_yaml_in_a_fence_says_where_in_the_note():
    value, places = load_fragment("action: x\nwith:\n  to: [a]\n", first_line=21, column_offset=3)
    assert value == {"action": "x", "with": {"to": ["a"]}}
    assert places["with", "to", 0] == Place(23, 11)
    with pytest.raises(NoteError) as caught:
        load_fragment("a: 1\na: 1\n", first_line=21, column_offset=3)
    assert (caught.value.line, caught.value.column) == (22, 4)


TEXT = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"], exclude_characters="\ufeff\ufffe\uffff"
    )
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(string.ascii_lowercase, min_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_json_that_is_written_is_read_the_same(value):
    text = json.dumps({"value": value}, ensure_ascii=False)
    assert load_fragment(text, first_line=1, language="json")[0] == {"value": value}


YAML_TEXT = st.text("ab:-#[]{}\"'|>&*!%@`? \n\t,.01e", max_size=60)


def accepted(block: str) -> dict[str, object] | None:
    try:
        return values(block)
    except NoteError:
        return None


@given(YAML_TEXT)
def test_what_is_accepted_has_the_structure_that_pyyaml_reads(block):
    read = accepted(block)
    if read is not None:
        assert list(read) == list(yaml.load(block, Loader=BASE_LOADER) or {})


@given(YAML_TEXT)
def test_without_libyaml_the_same_is_read(block):
    read = accepted(block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signoff.note.compose._LOADER", yaml.SafeLoader)
        plainly = accepted(block)
    assert plainly is None or read is None or plainly == read
