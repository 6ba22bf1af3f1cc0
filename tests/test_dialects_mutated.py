"""Notes of every shape, damaged at random: read without a crash, always alike, never beyond what they say."""

from __future__ import annotations

import socket
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialect_table import TABLE
from literal import missing
from signoff import observe
from signoff.catalogue import load_catalogue

CATALOGUE = load_catalogue(None)
NOTES = [row[1] for row in TABLE]
ROWS = sorted({line for note in NOTES for line in note.split("\n")})
CHARS = "\"':#>*`-|[]{}\t \r\n\u2014\u201c%<!$@xé"


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """One of the table's notes with rows taken away, doubled, exchanged or put in, and characters changed."""
    rows = draw(st.sampled_from(NOTES)).split("\n")
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(rows) - 1, 0)))
        other = draw(st.integers(0, max(len(rows) - 1, 0)))
        how = draw(st.sampled_from(["drop", "double", "swap", "insert", "note", "char"]))
        if how == "insert" or not rows:
            rows.insert(at, draw(st.sampled_from(ROWS)))
        elif how == "drop":
            del rows[at]
        elif how == "double":
            rows.insert(other, rows[at])
        elif how == "swap":
            rows[at], rows[other] = rows[other], rows[at]
        elif how == "note":
            rows[at:at] = draw(st.sampled_from(NOTES)).split("\n")
        else:
            place = draw(st.integers(0, len(rows[at])))
            rows[at] = rows[at][:place] + draw(st.sampled_from(CHARS)) + rows[at][place + 1 :]
    return "\n".join(rows)


def outcome(reading: observe.Reading) -> Any:
    problem = reading.problem
    said = (problem.code, problem.line, problem.column, str(problem)) if problem else None
    return reading.plan, said, reading.left_alone


@pytest.mark.promise("4")
@settings(max_examples=500, deadline=None)
@given(damaged())
def test_a_damaged_note_is_read_alike_every_time_and_says_all_that_is_presented(note: str) -> None:
    data = note.encode()
    first = observe.read("x.md", data, CATALOGUE)
    assert outcome(first) == outcome(observe.read("x.md", data, CATALOGUE))
    if first.problem is not None:
        assert first.problem.message
        assert first.problem.line is None or 1 <= first.problem.line <= note.count("\n") + 2
    if first.plan is not None:
        assert missing(note, first.plan) == []


@pytest.mark.promise("4")
def test_no_note_of_any_shape_makes_the_reader_reach_out(monkeypatch: pytest.MonkeyPatch) -> None:
    observe.read("x.md", NOTES[0].encode(), CATALOGUE)  # what is imported late is there now

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("reading a note reached out")

    with monkeypatch.context() as patch:
        for module, name in ((socket, "socket"), (subprocess, "Popen")):
            patch.setattr(module, name, refuse)
        for name in ("builtins.open", "os.open", "os.system", "os.listdir", "os.scandir", "builtins.eval"):
            patch.setattr(name, refuse)
        for note in NOTES:
            observe.read("x.md", note.encode(), CATALOGUE)
