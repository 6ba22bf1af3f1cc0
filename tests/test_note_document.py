"""A note is read into its front matter and the structure of its body, or refused with the place and fix."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signoff.errors import NoteError
from signoff.note.document import MAX_NOTE, Note, gesture, parse
from signoff.note.front import load_fragment

PLAN = """---
title: Proposal
---
# Proposal

Some words.

## Steps

1. [ ] Send **the** `proposal`
   with a second line
   ```yaml
   id: proposal
   action: send_email
   ```
   - To: client
   - [ ] nested
2. [x] Announce 😀 it

   ```json
   {"action": "linkedin.create_post"}
   ```
3. [-] Not this
4. Plain

### Detail

- Further

## Message:

Dear client,

> ## quoted heading
> 1. quoted item
> ```yaml
> action: pay
> ```

Bye

Steps
-----
* late
"""


def items(text: str, *names: str):
    return parse(text.encode()).items_under(*(names or ("Steps",)))


@pytest.mark.promise("4")
def test_steps_are_the_items_of_the_lists_under_the_heading():
    found = items(PLAN, "steps")
    assert [item.name for item in found] == [
        "Send the proposal",
        "Announce 😀 it",
        "Not this",
        "Plain",
        "Further",
        "late",
    ]
    assert [item.mark for item in found] == [" ", "x", "-", None, None, None]
    assert [item.checked for item in found] == [False, True, False, False, False, False]
    assert found[0].source == "Send **the** `proposal`"
    assert found[0].text == ("with a second line", "- To: client", "- [ ] nested")
    assert found[0].line == 10


@pytest.mark.promise("4")
def test_fences_of_a_step_say_where_their_content_is():
    first, second = items(PLAN)[:2]
    (fence,) = first.fences
    assert (fence.info, fence.line, fence.column) == ("yaml", 13, 4)
    value, places = load_fragment(fence.content, first_line=fence.line, column_offset=fence.column - 1)
    assert value == {"id": "proposal", "action": "send_email"}
    assert PLAN.split("\n")[places[("action",)].line - 1].index("action") + 1 == places[("action",)].column
    assert [fence.info for fence in second.fences] == ["json"]


@pytest.mark.promise("4")
def test_a_checkbox_is_found_at_its_byte_in_the_file():
    for ending in ("\n", "\r\n", "\r"):
        data = ("\ufeffünï\n" + PLAN).replace("\n", ending).encode()
        marks = [
            data[item.checkbox : item.checkbox + 1] for item in parse(data).items_under("steps") if item.mark
        ]
        assert marks == [b" ", b"x", b"-"]


def test_a_fence_that_was_not_indented_belongs_to_the_item_before_it():
    text = "## Steps\n\n1. One\n```yaml\naction: a\n```\n2. Two\n\nWords.\n\n```yaml\naction: b\n```\n"
    one, two = items(text)
    assert [fence.content for fence in one.fences] == ["action: a\n"]
    assert two.fences == ()
    assert len(parse(text.encode()).fences) == 2


def test_fences_of_nested_lists_are_not_the_steps_own():
    (item,) = items("## Steps\n- One\n  - Two\n    ```yaml\n    action: b\n    ```\n")
    assert item.fences == ()


@pytest.mark.promise("4")
def test_quoted_text_gives_no_headings_items_or_fences():
    note = parse(PLAN.encode())
    assert [heading.text for heading in note.headings] == ["Proposal", "Steps", "Detail", "Message:", "Steps"]
    assert all("pay" not in fence.content for fence in note.fences)


def test_text_under_a_heading_ends_at_the_next_one_as_high():
    note = parse(PLAN.encode())
    text = note.text_under("Body", "message")
    assert text is not None
    assert text.startswith("Dear client,")
    assert text.endswith("Bye")
    assert note.text_under("Nothing") is None
    assert parse(b"## Message\n\n## Next\n").text_under("message") == ""
    assert len(note.headings_named("steps")) == 2


@pytest.mark.promise("4")
def test_the_daemons_section_is_no_part_of_the_note():
    section = "%% signoff %%\n\n# Heading\n\n- item\n\n```yaml\naction: x\n```\n\n%% signoff %%\n"
    after = "\n5. After\n   ```yaml\n   action: y\n   ```\n\n## Own\n\n- own\n"
    text = "## Steps\n\n- One\n\n" + section + after
    note = parse(text.encode())
    assert [item.name for item in note.items_under("steps")] == ["One"]
    assert note.items_under("steps")[0].fences == ()
    assert [heading.text for heading in note.headings] == ["Steps", "Own"]
    assert [item.name for item in note.items_under("own")] == ["own"]
    assert note.text_under("steps") == "- One"
    assert "Heading" not in note.prose
    assert note.prose.count("\n") == text.count("\n") - 1


@pytest.mark.promise("4")
def test_markers_in_a_fence_do_not_make_a_section():
    text = "## Steps\n```\n%% signoff %%\n```\n- One\n```\n%% signoff %%\n```\n- Two\n"
    assert [item.name for item in items(text)] == ["One", "Two"]


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    "text",
    [
        "body\n---\nstatus: approved\n---\n",
        "\n---\nstatus: approved\n---\n",
        " ---\nstatus: approved\n---\n",
        "",
        "---\n",
    ],
)
def test_front_matter_counts_only_at_the_very_start(text):
    note = parse(text.encode())
    assert note.front is None
    assert gesture(note.front).status is None


def test_a_note_with_front_matter_knows_where_its_body_starts():
    data = "\ufeff---\r\nä: 1\r\n---\r\nbödy\r\n".encode()
    note = parse(data)
    assert note.front is not None
    assert data[note.body_offset :].decode() == note.body == "bödy\r\n"
    assert note.body_line == 4
    assert data[slice(*note.front.span)].startswith(b"---")


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    ("data", "code", "line", "column"),
    [
        (b"a" * (MAX_NOTE + 1), "note-too-large", 1, 1),
        (b"ab\n\xc3\xa9\xff", "not-utf8", 2, 2),
        ("text".encode("utf-16"), "not-utf8", 1, 1),
        (b"---\na: 1\n---\nx\0y", "nul-byte", 4, 2),
        (b"a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n", "conflict-markers", 2, 1),
        (b"---\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> x\n---\n", "conflict-markers", 2, 1),
        (b"a\r\n<<<<<<< HEAD\r\n=======\r\n>>>>>>> other\r\n", "conflict-markers", 2, 1),
    ],
)
def test_a_note_that_cannot_be_trusted_to_be_whole_is_refused(data, code, line, column):
    with pytest.raises(NoteError) as caught:
        parse(data)
    assert (caught.value.code, caught.value.line, caught.value.column) == (code, line, column)
    assert caught.value.hint


def test_a_single_underline_is_no_conflict():
    assert parse(b"Title\n=======\n\nwords\n").headings[0].text == "Title"


@pytest.mark.promise("3")
@pytest.mark.parametrize(
    ("text", "ticked"),
    [
        ("true", True),
        ("True", True),
        ('" TRUE "', True),
        ("yes", False),
        ("on", False),
        ("1", False),
        ("[true]", False),
    ],
)
def test_only_true_ticks_approved(text, ticked):
    assert gesture(parse(f"---\napproved: {text}\n---\n".encode()).front).ticked is ticked


@pytest.mark.promise("3")
def test_a_gesture_is_read_trimmed_and_codes_as_typed():
    block = 'status: " Approved "\napproval_code: 012 345\napproved_by:\n  - ana\nrejection_reason: 12.50\n'
    said = gesture(parse(f"---\n{block}---\n".encode()).front)
    assert said.status == "approved"
    assert said.approval_code == "012345"
    assert said.approved_by == "ana"
    assert said.rejection_reason == "12.50"
    assert (
        gesture(parse(b"---\napproval_code: 123456\nstatus: [approved]\n---\n").front).approval_code
        == "123456"
    )
    assert gesture(parse(b"---\nstatus: [approved]\n---\n").front).status is None


ROWS = [
    *("---", "status: approved", "a: [", "a: &x 1", "## Steps", "- [ ] one", "1. two", "   ```yaml", "```"),
    *("> q", "%% signoff %%", "    code", "\ttab", "<<<<<<< a", "=======", ">>>>>>> b", "😀 **x**", ""),
]


def reading(data: bytes) -> Note | NoteError:
    try:
        return parse(data)
    except NoteError as error:
        return error


@pytest.mark.promise("4")
@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
@example(b"\xef\xbb\xbf")
@example(b"---\n---\n")
@example(b"---\n\xc2\x85: 1\n---\n")
def test_any_bytes_give_a_note_or_a_reason(data):
    read = reading(data)
    if isinstance(read, NoteError):
        assert read.line is not None
        assert read.column is not None
    else:
        assert read.data == data
        assert len(read.items_under("steps")) <= len(read.prose)


@pytest.mark.promise("4")
@given(st.lists(st.sampled_from(ROWS), max_size=16), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_lines_give_a_note_or_a_reason_and_offsets_that_hold(lines, ending):
    data = ending.join(lines).encode()
    read = reading(data)
    if isinstance(read, NoteError):
        assert read.line is not None
        assert read.line <= len(lines) + 1
        return
    assert data[read.body_offset :].decode() == read.body
    for offset in read.checkboxes:
        assert data[offset - 1 : offset + 2] == b"[ ]"
    for item in read.items_under("steps"):
        assert item.source in read.body
