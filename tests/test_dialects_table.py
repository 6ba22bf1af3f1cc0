"""Every shape of note is read to exactly the calls its author meant, to one question, or left alone."""

from __future__ import annotations

from typing import Any

import pytest

from dialect_table import TABLE, Asked, Label
from signoff import observe
from signoff.catalogue import load_catalogue

CATALOGUE = load_catalogue(None)


def outcome(note: str) -> Label:
    """What a note comes to, in the words of the table."""
    reading = observe.read("The file.md", note.encode(), CATALOGUE)
    if reading.problem is not None and not reading.left_alone:
        return Asked(reading.problem.code, reading.problem.line or 0)
    plan = reading.plan
    return None if plan is None else [(step.action, dict(step.arguments)) for step in plan.steps]


@pytest.mark.promise("4")
@pytest.mark.parametrize(("note", "label"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_note_comes_to_what_its_label_says(note: str, label: Label) -> None:
    assert outcome(note) == label


@pytest.mark.promise("4")
def test_every_call_presented_is_right_and_every_call_meant_is_presented() -> None:
    presented: list[tuple[str, Any]] = []
    meant: list[tuple[str, Any]] = []
    for name, note, label in TABLE:
        found = outcome(note)
        presented += [(name, call) for call in found] if isinstance(found, list) else []
        meant += [(name, call) for call in label] if isinstance(label, list) else []
    right = sum(call in meant for call in presented)
    assert right / len(presented) == 1.0  # precision
    assert right / len(meant) == 1.0  # recall


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    "note",
    [row[1] for row in TABLE if isinstance(row[2], Asked)],
    ids=[row[0] for row in TABLE if isinstance(row[2], Asked)],
)
def test_every_question_says_where_and_what_to_do(note: str) -> None:
    problem = observe.read("x.md", note.encode(), CATALOGUE).problem
    assert problem is not None
    assert problem.line is not None
    assert problem.message.endswith((".", "?"))
    assert problem.hint
