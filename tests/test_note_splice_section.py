"""The daemon's section comes, changes and goes without touching or losing a line of a person."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.note.document import MAX_NOTE, parse
from signoff.note.keys import DAEMON_KEYS
from signoff.note.section import MARKER
from signoff.note.splice import (
    CannotSplice,
    section_of,
    section_ticks,
    set_keys,
    set_section,
    set_ticks,
    typed_in_section,
    without_daemon_parts,
)

SECTION = "> [!question] Did it happen?\n> - [ ] it happened\n> - [ ] it did not"
OUTPUT = "> [!info] Output\n> ```\n> - [x] it happened\n> ```"


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    "text", ["", "a", "a\n", "a\n\n\n", "\ufeffa\r\nb\r\n", "a\rb", "---\na: 1\n---", "\n", "```\nopen"]
)
def test_the_section_stands_at_the_end_and_goes_without_a_trace(text):
    before = text.encode()
    after = set_section(before, SECTION)
    assert after.startswith(before)
    assert section_of(after) == SECTION
    assert set_section(after, SECTION) == after
    assert set_section(after, None) == before
    assert set_section(set_section(after, OUTPUT), "\n") == before


@pytest.mark.promise("4")
def test_the_section_has_its_form_and_the_notes_line_endings():
    assert set_section(b"a\r\n", "> x\n> y") == (
        b"a\r\n\r\n%% signoff %%\r\n\r\n> x\r\n> y\r\n\r\n%% signoff %%\r\n"
    )
    assert set_section(b"a", "> x").decode() == f"a\n\n{MARKER}\n\n> x\n\n{MARKER}"


@pytest.mark.promise("4")
def test_every_line_of_the_section_is_quoted_whatever_is_given():
    after = set_section(b"a\n", "# Heading\r- [ ] x\n\n%% signoff %%")
    assert section_of(after) == "> # Heading\n> - [ ] x\n\n> %% signoff %%"
    assert parse(after).headings == ()


@pytest.mark.promise("4")
def test_what_would_make_the_note_unreadable_is_not_written():
    text = "> a\0b\ud800c\udcffd"
    after = set_section(b"a\n", text)
    assert section_of(parse(after).data) == "> a\ufffdb\ufffdc\ufffdd"
    assert typed_in_section(after, text) == ()


@pytest.mark.promise("1.4")
def test_what_a_person_typed_in_the_section_is_kept_after_it():
    typed = SECTION.replace("> - [ ] it did", "my remark\n> - [x] it did") + "\n\nlast"
    note = f"a\n\n{MARKER}\n\n{typed}\n{MARKER}\n"
    after = set_section((note + "behind\n").encode(), OUTPUT).decode()
    assert after == f"a\n\n{MARKER}\n\n{OUTPUT}\n\n{MARKER}\n\nmy remark\nlast\n\nbehind\n"
    assert set_section(after.encode(), OUTPUT).decode() == after


@pytest.mark.promise("1.4")
def test_a_line_typed_into_a_callout_is_told_from_the_daemons_by_what_it_wrote():
    note = set_section(b"a\n", SECTION).decode()
    note = note.replace("> - [ ] it did", "> I saw it arrive\n> - [x] it did")
    assert typed_in_section(note.encode(), SECTION) == ("I saw it arrive",)
    assert typed_in_section(note.encode()) == ()
    after = set_section(note.encode(), OUTPUT, previous=SECTION).decode()
    assert after == f"a\n\n{MARKER}\n\n{OUTPUT}\n\n{MARKER}\n\nI saw it arrive\n"


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    "line",
    [
        "- [x] x",
        "## Steps",
        "```yaml",
        "1. a",
        "![[x]]",
        "[x](y)",
        "<b>",
        "%% signoff %%",
        "| a |",
        "---",
        "> q",
        "~~~",
    ],
)
def test_a_kept_line_that_would_act_as_markdown_stays_quoted(line):
    note = set_section(b"## Steps\n\n- one\n", f"> known\n> {line}")
    after = set_section(note, "> new", previous="> known")
    assert after.decode().endswith(f"{MARKER}\n\n> {line}\n")
    assert [item.name for item in parse(after).items_under("steps")] == ["one"]


@pytest.mark.promise("1.4")
def test_half_a_section_is_only_text():
    note = f"a\n\n{MARKER}\n\n> old\n\nmine\n"
    assert section_of(note.encode()) is None
    assert set_section(note.encode(), None).decode() == "a\n\n\n> old\n\nmine\n"
    assert (
        set_section(note.encode(), "> new").decode()
        == f"a\n\n\n> old\n\nmine\n\n{MARKER}\n\n> new\n\n{MARKER}\n"
    )


@pytest.mark.promise("1.4")
def test_a_doubled_section_becomes_one_and_no_text_goes():
    block = f"{MARKER}\n\n> {{}}\n\n{MARKER}\n"
    note = "a\n" + block.format("one") + "mine\n" + block.format("two") + "\nend\n"
    assert section_of(note.encode()) == "> two"
    after = set_section(note.encode(), "> new").decode()
    assert after.count(MARKER) == 2
    assert "mine\n" in after
    assert "> one\n" in after
    lone_last = f"a\n{block.format('one')}mine\n{MARKER}\n"
    assert section_of(lone_last.encode()) == "> one"
    assert "mine" in set_section(lone_last.encode(), "> new").decode()


@pytest.mark.promise("4")
def test_markers_in_a_fence_are_an_example():
    note = f"```\n{MARKER}\n\n> x\n\n{MARKER}\n```\n"
    assert section_of(note.encode()) is None
    after = set_section(note.encode(), "> new")
    assert after.decode().startswith(note)
    assert set_section(after, None).decode() == note


@pytest.mark.promise("4")
def test_answers_are_read_from_checkboxes_and_never_from_a_tools_output():
    note = set_section(b"- [x] mine\n", SECTION + "\n\n" + OUTPUT)
    assert section_ticks(note) == [("it happened", False), ("it did not", False)]
    assert section_ticks(note.replace(b"[ ] it did not", b"[x] it did not"))[1] == ("it did not", True)
    assert section_ticks(note.replace(b"> - [ ] it h", b"- [x] it h"))[0] == ("it did not", False)
    assert section_ticks(b"- [x] mine\n") == []


@pytest.mark.promise("4")
def test_ticks_change_one_character():
    note = "## Steps\n- [ ] ä\n- [✓] b\n- [X] c\n".encode()
    marks = {item.checkbox: "x" for item in parse(note).items_under("steps") if item.checkbox is not None}
    assert set_ticks(note, marks).decode() == "## Steps\n- [x] ä\n- [x] b\n- [x] c\n"
    assert set_ticks(note, {}) == note
    for offset in (0, 5, len(note) + 3, next(iter(marks)) + 1):
        with pytest.raises(CannotSplice):
            set_ticks(note, {offset: "x"})
    for mark in ("", "xx", "\n", "\ud800x"):
        with pytest.raises(CannotSplice):
            set_ticks(note, dict.fromkeys(marks, mark))


@pytest.mark.promise("4")
def test_a_note_that_a_person_left_alone_is_known_by_its_bytes():
    for text in (
        "## Steps\n- [ ] a\n  - [x] b\n",
        "---\nstatus: pending # c\na: 1\n---\n- [ ] a",
        "\ufeff---\r\na: b: c\r\n---\r\n- [ ] a\r\n",
        "---\nopen: 1\n- [ ] a\n",
        "",
    ):
        before = text.encode()
        after = set_section(before, SECTION)
        after = after.replace(b"- [ ] a", b"- [x] a")
        if "open" not in text:
            after = set_keys(after, {"status": "running", "progress": "1/2"})
        assert without_daemon_parts(after, DAEMON_KEYS) == without_daemon_parts(before, DAEMON_KEYS)
        changed = after.replace(b"] a", b"] other") + b"more"
        assert without_daemon_parts(changed, DAEMON_KEYS) != without_daemon_parts(before, DAEMON_KEYS)


def test_a_note_in_utf_16_or_too_large_is_not_written_to():
    for data in ("a".encode("utf-16"), b"x" * (MAX_NOTE + 1), b"x" * (MAX_NOTE - 3)):
        with pytest.raises(CannotSplice):
            set_section(data, "> x")
        assert without_daemon_parts(data, DAEMON_KEYS) == data


ROWS = [
    *(
        "words",
        "",
        "# h",
        "- [ ] a",
        "  - b",
        "```",
        "~~~",
        "   ```yaml",
        "> q",
        "> [!x]",
        ">",
        "---",
        "a: 1",
    ),
    *("    code", "<!--", "-->", "\ttab", "ünï 😀", "%% other %%", "1. x"),
]
ENDINGS = st.sampled_from(["\n", "\r\n", "\r"])
PLAIN = st.lists(st.sampled_from(ROWS), max_size=12)
MARKED = st.lists(st.sampled_from([*ROWS, MARKER, MARKER, MARKER]), max_size=14)
CALLOUTS = st.lists(st.sampled_from(["> a", "> - [ ] q", "", "> ```", ">"]), max_size=5).map("\n".join)


def said(text: str) -> Counter[str]:
    """The lines of a text that say something, however they are quoted."""
    rows = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Counter(row.strip("> \t") for row in rows if row.strip("> \t") and row != MARKER)


@pytest.mark.promise("4")
@given(PLAIN, ENDINGS, st.booleans(), st.sampled_from(["", "\ufeff"]), CALLOUTS, CALLOUTS)
def test_a_section_can_be_set_twice_and_taken_away_whole(rows, ending, closed, mark, first, second):
    before = (mark + ending.join(rows) + (ending if closed else "")).encode()
    after = set_section(before, first)
    assert set_section(after, first) == after
    assert set_section(after, second, previous=first) == set_section(before, second)
    assert set_section(after, None) == before
    if first.strip():
        assert section_of(after) == first.strip("\n")


@pytest.mark.promise("1.4")
@given(MARKED, ENDINGS, CALLOUTS, st.none() | CALLOUTS)
def test_no_line_of_a_person_is_lost_whatever_is_in_the_note(rows, ending, section, previous):
    before = ending.join(rows)
    after = set_section(before.encode(), section, previous=previous)
    own = said(section_of(before.encode()) or "") if previous is None else said(previous)
    callouts = Counter(
        row.strip("> \t") for row in (section_of(before.encode()) or "").split("\n") if row.startswith(">")
    )
    assert not (said(before) - (own & callouts)) - said(after.decode())
    assert set_section(after, section) == after


@given(st.binary(max_size=200), CALLOUTS)
def test_any_bytes_take_a_section_and_give_it_back(data, section):
    try:
        after = set_section(data, section)
    except CannotSplice:
        assert data[:2] in {b"\xff\xfe", b"\xfe\xff"}
        return
    assert set_section(after, None) == data
    assert without_daemon_parts(after, DAEMON_KEYS) == without_daemon_parts(data, DAEMON_KEYS)
