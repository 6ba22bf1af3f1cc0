"""What the daemon writes into a note changes nothing in how it is read: not its calls, nor its question."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialect_table import TABLE, Asked
from signoff import observe
from signoff.catalogue import load_catalogue
from signoff.errors import NoteError
from signoff.model import Json, Status
from signoff.note.splice import set_keys, set_section
from signoff.say.block import callout
from signoff.writeback import questioned
from support.project import projects

CATALOGUE = load_catalogue(None)
ASKED = [row for row in TABLE if isinstance(row[2], Asked)]


PLANS = [row for row in TABLE if isinstance(row[2], list)]


@pytest.mark.promise("4")
@pytest.mark.parametrize("note", [row[1] for row in PLANS], ids=[row[0] for row in PLANS])
def test_a_plan_is_the_same_plan_whatever_the_daemon_says_of_it(note: str) -> None:
    plain = observe.read("x.md", note.encode(), CATALOGUE).plan
    assert plain is not None
    for status in Status:
        keys: dict[str, Json] = {
            "status": status.value,
            "risk": "low",
            "error": "x: it failed",
            "progress": "0/1",
        }
        section = callout(
            "note", f"Signoff: {status.value}", ["**To:** eve@example.com", "", "## Message", "x"]
        )
        written = set_section(set_keys(note.encode(), keys), section, previous=None)
        plan = observe.read("x.md", written, CATALOGUE).plan
        assert plan is not None, status
        assert [(step.action, step.arguments) for step in plan.steps] == [
            (step.action, step.arguments) for step in plain.steps
        ]


@pytest.mark.promise("7")
def test_a_post_that_only_its_title_names_runs_to_its_end(tmp_path: Path) -> None:
    for house in projects(tmp_path):
        project = house()
        project.actions("post_linkedin:\n  tools: [{tool: stub.record}]\n")
        project.start()
        note = "# LinkedIn Post Draft\n\n- **Status:** Pending\n\n## Post Content\nWe are hiring.\n"
        project.approve(project.pending("Post.md", note))
        done = project.await_note("Post.md", "Done", "status: done")
        assert [call["arguments"] for call in project.calls()] == [{"text": "We are hiring."}]
        assert note.strip() in done.read_text()


def question(data: bytes) -> NoteError | None:
    reading = observe.read("x.md", data, CATALOGUE)
    return None if reading.left_alone else reading.problem


@pytest.mark.promise("4")
@pytest.mark.parametrize("note", [row[1] for row in ASKED], ids=[row[0] for row in ASKED])
def test_a_note_with_its_question_is_asked_the_same_and_not_written_again(note: str) -> None:
    first = question(note.encode())
    assert first is not None
    written = questioned(note.encode(), first)
    assert note.encode() != written
    again = question(written)
    assert again is not None, written.decode()
    assert again.code == first.code
    assert questioned(written, again) == written


@pytest.mark.promise("1.5")
def test_a_question_names_the_line_that_the_person_sees() -> None:
    note = "# WhatsApp Reply\n**Status:** Pending\n\n## Message\nAt six.\n"
    problem = question(note.encode())
    assert problem is not None
    assert problem.line == 1
    rows = questioned(note.encode(), problem).decode().split("\n")
    place = rows.index("# WhatsApp Reply") + 1
    assert place > 1
    assert any(f"Line {place}." in row for row in rows)


@pytest.mark.promise("1.5")
def test_lines_in_the_words_of_a_question_move_too() -> None:
    note = "---\naction: post_linkedin\n---\n## Message\nOne of line 5\n\n## Draft\nTwo\n"
    problem = question(note.encode())
    assert problem is not None
    assert "in lines 5 and 8" in problem.message
    rows = questioned(note.encode(), problem).decode().split("\n")
    one, two = rows.index("One of line 5") + 1, rows.index("Two") + 1
    assert any(f"in lines {one} and {two}" in row for row in rows)
    assert one > 5


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ("subject: Re: the boxes", '> subject: "Re: the boxes"'),
        ('from: "Ana" <a@example.com>', "> from: '\"Ana\" <a@example.com>'"),
        ("tags:\n\t- a", "> tags:\n>   - a\n"),
        ("subject: Re: " + "long " * 60, "Put all of the value of `subject` in quotes"),
    ],
)
def test_a_broken_row_is_shown_as_it_must_be_or_not_at_all(row: str, shown: str) -> None:
    data = f"---\naction: send_email\n{row}\n---\n## Message\nHi\n".encode()
    problem = question(data)
    assert problem is not None
    said = questioned(data, problem).decode().split("%% signoff %%")[1]
    assert shown in said
    assert "signoff check --fix" in said
    assert "..." not in said
