"""Setting keys changes their own lines and nothing else, byte for byte."""

from __future__ import annotations

import string

import frontmatter
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from signoff.errors import NoteError
from signoff.note.document import parse
from signoff.note.splice import CannotSplice, set_keys

NOTE = """---
# about this plan
title: "Re: offer"   # keep my quotes
status:   pending   # pick one
tags:
  - a
  # mine
  - b
empty:
long: |
  one
  # not a comment

last: 'x'
---
# Body

status: pending
"""


def lines_changed(before: bytes, after: bytes) -> tuple[list[bytes], list[bytes]]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return [line for line in old if line not in new], [line for line in new if line not in old]


@pytest.mark.promise("4")
@pytest.mark.promise("1.4")
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_only_the_line_of_the_key_changes(mark, ending):
    before = (mark + NOTE).replace("\n", ending).encode()
    after = set_keys(before, {"status": "running"})
    assert after == before.replace(b"status:   pending   # pick one", b"status:   running   # pick one")
    assert set_keys(after, {"status": "pending"}) == before


@pytest.mark.promise("4")
def test_new_keys_come_last_and_go_without_a_trace():
    before = NOTE.encode()
    after = set_keys(before, {"progress": "1/3", "error": "Timed out: try again"})
    assert lines_changed(before, after) == ([], [b"progress: 1/3\n", b'error: "Timed out: try again"\n'])
    assert after.index(b"last: 'x'\n") < after.index(b"progress") < after.index(b"---\n# Body")
    assert set_keys(after, {"progress": None, "error": None}) == before


@pytest.mark.promise("4")
def test_a_value_over_several_lines_is_replaced_as_a_whole_and_comments_stay():
    after = set_keys(NOTE.encode(), {"tags": ["x", "y z"], "long": "short", "empty": 1})
    wanted = NOTE.replace("tags:\n  - a\n  # mine\n  - b\nempty:\n", 'tags: [x, "y z"]\n  # mine\nempty: 1\n')
    assert after.decode() == wanted.replace("long: |\n  one\n  # not a comment\n", "long: short\n")


@pytest.mark.promise("1.4")
def test_a_comment_outlives_the_key_it_stands_behind():
    after = set_keys(NOTE.encode(), {"status": None}).decode()
    assert after == NOTE.replace("status:   pending   # pick one", "# pick one")


@pytest.mark.promise("4")
def test_a_value_that_is_there_already_is_not_touched():
    assert set_keys(NOTE.encode(), {"title": "Re: offer", "status": "pending", "gone": None}) == NOTE.encode()
    assert set_keys(b"---\na: true\n---\n", {"a": 1}) == b"---\na: 1\n---\n"


@pytest.mark.promise("4")
@pytest.mark.parametrize("body", ["", "text", "text\r\n", "\n---\nrule\n---\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_note_without_front_matter_gets_one_before_its_text(mark, body):
    end = "\r\n" if "\r" in body else "\n"
    after = set_keys((mark + body).encode(), {"status": "draft"}).decode()
    assert after == f"{mark}---{end}status: draft{end}---{end}{body}"
    assert set_keys((mark + body).encode(), {"status": None}).decode() == mark + body


@pytest.mark.parametrize(
    "block", ["", "# only a comment\n", "  a: 1\n  b: 2\n", "a:\n", "a: [1,\n  2]\n", "a: >-\n  x\n\n"]
)
def test_keys_can_be_added_to_every_form_of_block(block):
    before = f"---\n{block}---\nbody".encode()
    after = set_keys(before, {"status": "done"})
    front = parse(after).front
    assert front is not None
    assert front.values["status"] == "done"
    assert set_keys(after, {"status": None}) == before


@pytest.mark.promise("4")
def test_broken_front_matter_is_changed_only_where_a_line_is_plain():
    broken = '---\nsubject: Re: offer\nstatus: pending  # mine\nfrom: "A" <a@b.c>\n---\nbody\n'
    after = set_keys(broken.encode(), {"status": "draft", "error": "line 2: a colon", "risk": None}).decode()
    assert after == broken.replace("status: pending", "status: draft").replace(
        "---\nbody", 'error: "line 2: a colon"\n---\nbody'
    )
    assert set_keys(after.encode(), {"status": "pending", "error": None}).decode() == broken


@pytest.mark.promise("1.4")
@pytest.mark.parametrize(
    "text",
    [
        "---\nstatus: a\nstatus: b\n---\n",
        "---\nsubject: a: b\nstatus: >\n  pending\n---\n",
        "---\nsubject: a: b\nstatus:\n- pending\n---\n",
        "---\nsubject: a: b\nstatus: a: b\n---\n",
        "---\nsubject: a: b\n  status: x\n---\n",
        "---\nsubject: a: b\nStatus: x\n---\n",
        "---\nsubject: a: b\nstatus: 'open\n---\n",
        "---\n{a: 1}\n---\n",
        "---\nstatus: pending\n",
        "---\na: 1---\n\n# Title\n\n---\n",
        "---\na: 9007199254740993\nstatus: [\n---\n",
    ],
)
def test_where_a_line_cannot_be_told_apart_nothing_is_written(text):
    with pytest.raises(CannotSplice):
        set_keys(text.encode(), {"status": "draft"})


@pytest.mark.parametrize("value", [2**53, float("inf"), float("nan"), "\ud800", [2**60]])
def test_a_value_that_would_be_changed_by_writing_is_refused(value):
    with pytest.raises(CannotSplice) as caught:
        set_keys(b"---\na: 1\n---\n", {"b": value})
    assert caught.value.code == "value-not-exact"


def test_a_note_in_utf_16_or_too_large_is_not_written_to():
    with pytest.raises(CannotSplice):
        set_keys("---\na: 1\n---\n".encode("utf-16"), {"b": 1})
    with pytest.raises(CannotSplice):
        set_keys(b"x" * (1 << 20), {"b": 1})


def test_bytes_that_are_not_utf_8_stay_as_they_are():
    assert set_keys(b"---\na: 1\n---\n\xff\xfe\x80", {"a": 2}) == b"---\na: 2\n---\n\xff\xfe\x80"


TEXT = st.text(max_size=30) | st.sampled_from(
    [
        *("yes", "no", "NO", "off", "y", "null", "~", "1", "0755", "1e3", ".5", "0x1", "0b1", "1_000", "+1"),
        *("12:30", "2026-01-01", "a: b", "a #b", "#", "- a", "a---", "---", "...", " a ", "a:", "@x", "`x`"),
        *("'", '"', "\\", "a\nb", "a\r\nb", "\x85", "\u2028", "\ufeff", "\u200b", "{{x}}", "%a", "*a", "&a"),
        *("!a", "|", ">", "?", "? a", "<<", "=", "é", "😀", "\U000e0001", "\uffff"),
    ]
)
VALUE = st.recursive(
    st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: (
        st.lists(inner | st.none(), max_size=3)
        | st.dictionaries(
            st.text(string.ascii_lowercase, min_size=2, max_size=5), inner | st.none(), max_size=3
        )
    ),
    max_leaves=6,
)
OTHERS = [
    "# c",
    "a1: x # y",
    "b1: |\n  t\n  # u\n",
    "c1:\n- 1\n# in\n- 2",
    "d1: [1,\n 2]",
    "e1: 'q'",
    "",
    "f1:",
    "g1: {x: 1}",
]


ROWS = ["---", *OTHERS, "status: x", "a: b: c", "body"]


def same(one: object, other: object) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


@pytest.mark.promise("4")
@given(
    st.permutations(OTHERS),
    st.integers(0, 8),
    st.sampled_from(["\n", "\r\n", "\r"]),
    VALUE,
    VALUE,
    st.booleans(),
)
def test_what_is_set_is_read_back_and_everything_else_stays(others, count, ending, first, second, present):
    head = "\n".join(others[:count])
    block = (head + "\n" if head else "") + ("status: pending # c\n" if present else "")
    before = f"---\n{block}---\nbody\n".replace("\n", ending).encode()
    after = set_keys(before, {"status": first})
    again = set_keys(after, {"status": second})
    for data, value in ((after, first), (again, second)):
        note = parse(data)
        assert note.front is not None
        assert same(note.front.values["status"], value)
        assert note.body == f"body{ending}"
    assert set_keys(before, {"status": second}) == again
    if not present:
        assert set_keys(again, {"status": None}) == before


@given(TEXT)
def test_what_is_written_as_text_is_text_to_other_readers_too(text):
    assume(not any("\ud800" <= char <= "\udfff" for char in text))
    after = set_keys(b"", {"note": text}).decode()
    read = frontmatter.parse(after)[0]["note"]
    assert str(read).replace(" ", "T")[:10] == text[:10] if not isinstance(read, str) else read == text


@pytest.mark.promise("1.4")
@given(st.binary(max_size=200) | st.lists(st.sampled_from(ROWS)).map(lambda rows: "\n".join(rows).encode()))
@example(b"---\r\n---\r\n")
def test_no_line_of_a_person_is_lost_whatever_the_note(data):
    try:
        after = set_keys(data, {"status": "done", "progress": "1/1"})
    except CannotSplice:
        return
    gone, _ = lines_changed(data, after)
    assert all(line.lstrip(b"\xef\xbb\xbf").startswith(b"status:") for line in gone)
    try:
        parse(data)
    except NoteError:
        return
    front = parse(after).front
    assert front is not None
    assert front.values["status"] == "done"
