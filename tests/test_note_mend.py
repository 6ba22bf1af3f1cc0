"""Known breakages of front matter are mended on request, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.errors import NoteError
from signoff.note.document import parse
from signoff.note.mend import mend


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("---\nsubject: Re: a\nx: 'b: c\n---\nbody\n", '---\nsubject: "Re: a"\nx: "b: c"\n---\nbody\n'),
        ('---\r\nfrom: "A" <a@b.c>\r\n---\r\n', "---\r\nfrom: '\"A\" <a@b.c>'\r\n---\r\n"),
        ("---\na: 1\nb: [x]---\n\n# T\n", "---\na: 1\nb: [x]\n---\n\n# T\n"),
        ("---\r\na: 1---\r\n\r\n# T\r\n\r\n---\r\n", "---\r\na: 1\r\n---\r\n\r\n# T\r\n\r\n---\r\n"),
        ("---\na: 1\nb:\n  - c\n\n# T\n", "---\na: 1\nb:\n  - c\n---\n\n# T\n"),
        ("---\na: 1", "---\na: 1\n---\n"),
        ("---\na:\n\t- b\n---\n", "---\na:\n  - b\n---\n"),
        ("---\na: b\n  c: d\n---\n", "---\na: b\nc: d\n---\n"),
        ("---\nto: “a@b.c”\nx: “Re: y”\n---\n", '---\nto: "a@b.c"\nx: "Re: y"\n---\n'),
        ("---\na: “He said: “no””\n---\n", '---\na: "“He said: “no””"\n---\n'),
        ("---\nto: a\nx: 1\nto: a\n---\n", "---\nto: a\nx: 1\n---\n"),
        ("---\nto: a\nto: 'a'\n---\n", "---\nto: a\n---\n"),
        ("---\na: {{X}}\nb: *y*\n---\n", '---\na: "{{X}}"\nb: "*y*"\n---\n'),
    ],
)
def test_a_known_breakage_is_mended_as_its_hint_says(broken, mended):
    result = mend(broken.encode())
    assert result is not None
    assert result.decode() == mended
    assert parse(result).front is not None


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    "data",
    [
        b"---\na: 1\n---\n",
        b"no front matter",
        b"---\na: 1\na: 2\n---\n",
        b"---\na: 1\na:\n  - 1\n---\n",
        b"---\na: x\nb: 1\na: x\n  y\n---\n",
        b"\xff",
        b"---\nStatus: x\n---\n",
        b"---\na: [\n---\n",
    ],
)
def test_what_reads_or_needs_a_person_is_left_alone(data):
    assert mend(data) is None


@given(
    st.lists(
        st.sampled_from(["---", "a: b: c", "d: 'x", "e: {{f}}", "g: 1---", "\th: 1", "words", ""]),
        max_size=10,
    )
)
def test_mended_notes_read_and_lose_no_word(rows):
    data = "\n".join(rows).encode()
    result = mend(data)
    if result is not None:
        parse(result)
        mended = [_letters(line) for line in result.decode().split("\n")]
        assert set(mended) == {_letters(line) for line in rows}  # only a line that stood twice is gone
        assert len("".join(mended)) <= len(_letters(data.decode()))


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


# ---------------------------------------------------------------- nothing else changes

BROKEN = {
    "unquoted colon": (["subject: Re: the offer"], ['subject: "Re: the offer"']),
    "colon in a list": (["tags:", "  - a: b: c"], ["tags:", '  - a: "b: c"']),
    "text after quotes": (['from: "Ana" <a@example.com>'], ["from: '\"Ana\" <a@example.com>'"]),
    "a sign of YAML's": (["sender: @ana"], ['sender: "@ana"']),
    "braces": (["name: {{NAME}}"], ['name: "{{NAME}}"']),
    "tab": (["labels:", "\t- b"], ["labels:", "  - b"]),
    "typographic quotes": (["title: “The offer”"], ['title: "The offer"']),
    "typographic quotes and a colon": (["about: “Re: it”"], ['about: "Re: it"']),
    "the same twice": (["cc: x", "cc: x"], ["cc: x"]),
    "the same twice, once in quotes": (["bcc: 'x y'", "bcc: x y"], ["bcc: 'x y'"]),
}
SOUND = [
    "a: 1  # a remark",
    "b:    'two''s'",
    "# a comment: with a colon",
    "c: [x,  y]",
    "d: |\n  text: here\n  - there",
    "e: it’s “quoted” within",
    "",
    "f:",
]


@st.composite
def breakages(draw: st.DrawFn) -> tuple[str, str]:
    """A note with broken lines between sound ones, and the same as it is once mended."""
    sound = draw(st.lists(st.sampled_from(SOUND), max_size=5, unique=True))
    broken = draw(st.lists(st.sampled_from(sorted(BROKEN)), min_size=1, max_size=4, unique=True))
    groups = [([row], [row]) for row in sound] + [BROKEN[name] for name in broken]
    groups = draw(st.permutations(groups))
    glued = draw(st.booleans())
    body = draw(
        st.sampled_from(["", "# Title: x\n\n\tcode “x”\n---\nkey: a: b\n", "text\n", "\n\n- [ ] “a”: b"])
    )
    end = draw(st.sampled_from(["\n", "\r\n"]))
    before = [row for rows, _ in groups for row in rows]
    after = [row for _, rows in groups for row in rows]
    last = "z: last"
    note = "\n".join(["---", *before, f"{last}---" if glued else f"{last}\n---", body])
    mended = "\n".join(["---", *after, f"{last}\n---", body])
    return note.replace("\n", end), mended.replace("\n", end)


@pytest.mark.promise("4")
@given(breakages())
def test_only_the_broken_lines_change_and_mending_again_changes_nothing(notes: tuple[str, str]) -> None:
    broken, mended = notes
    result = mend(broken.encode())
    assert result is not None
    assert result.decode() == mended
    parse(result)
    assert mend(result) is None


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    "data",
    [
        b"---\nto: a\nto: b\n---\n",
        b"---\na: [x\nb: 1\n---\n",
        b"---\njust words\nmore: words\n---\n",
        b"---\nStatus: x\n---\n",
    ],
)
def test_what_cannot_be_mended_is_explained_with_its_place_and_what_to_write(data: bytes) -> None:
    assert mend(data) is None
    with pytest.raises(NoteError) as caught:
        parse(data)
    assert caught.value.line is not None
    assert caught.value.column is not None
    assert caught.value.message.endswith(".")
    assert caught.value.hint
