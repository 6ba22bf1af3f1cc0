"""Known breakages of front matter are mended on request, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
