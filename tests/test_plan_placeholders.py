"""A plan that still holds what a template left to be filled in is a question, and never shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan_material import question, read
from signoff.plan.placeholders import is_placeholder, marks_in, placeholders_in

WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=6), min_size=2, max_size=5).map(" ".join)


def step(text: str) -> str:
    return f"---\ntitle: A plan\naction: email\nwith:\n  to: a@b.c\n  subject: {text}\n---\n"


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    "text", ["<the subject>", "<subject>", '"{{title}}"', '"{{date:YYYY-MM-DD}}"', '"<% x %>"']
)
def test_an_argument_that_is_a_placeholder_is_a_question_with_its_line(text: str) -> None:
    asked = question(step(text))
    assert (asked.code, asked.line) == ("placeholder", 6)
    assert text.strip('"') in asked.message


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    "text",
    [
        "<ana@example.com>",
        "<https://example.com>",
        "Ana <ana@example.com>",
        "a < b and c > d",
        "<b>bold</b> text",
    ],
)
def test_what_only_stands_in_angle_brackets_is_an_argument(text: str) -> None:
    plan = read(step(f'"{text}"'))
    assert plan is not None
    assert plan.steps[0].arguments["subject"] == text


def test_a_whole_line_of_a_text_that_says_what_belongs_there_is_a_question() -> None:
    body = "  body: |\n    Hello,\n\n    <the text of it>\n"
    asked = question(f"---\naction: email\nwith:\n  to: a@b.c\n  subject: x\n{body}---\n")
    assert (asked.code, asked.line) == ("placeholder", 6)
    assert "`<the text of it>`" in asked.message


@pytest.mark.parametrize(
    ("front", "line"),
    [("title: <what it is about>", 2), ("proposed_by: <who>", 2), ("run_at: <when it is sent>", 2)],
)
def test_a_property_that_is_a_placeholder_is_a_question(front: str, line: int) -> None:
    asked = question(f"---\n{front}\naction: email\nwith:\n  to: a@b.c\n  subject: x\n---\n")
    assert (asked.code, asked.line) == ("placeholder", line)


def test_a_placeholder_in_undo_and_in_for_each_is_a_question_at_its_own_line() -> None:
    head = "# A\n\n## Steps\n\n1. Go\n   ```yaml\n   action: email\n"
    undo = (
        head
        + "   with:\n     to: a@b.c\n     subject: x\n"
        + "   undo:\n     action: email\n     with:\n       to: <whom>\n   ```\n"
    )
    assert (question(undo).code, question(undo).line) == ("placeholder", 14)
    each = head + "   for_each:\n     - a@b.c\n     - <another address>\n   with:\n     to: x\n   ```\n"
    assert (question(each).code, question(each).line) == ("placeholder", 10)


@given(WORDS)
def test_words_in_angle_brackets_are_found_wherever_a_value_has_them(words: str) -> None:
    mark = f"<{words}>"
    assert is_placeholder(f" {mark}\n")
    assert [found for _, found in placeholders_in({"a": [mark, {"b": f"x\n  {mark}\ny"}]})] == [mark, mark]
    assert list(placeholders_in(f"text with {mark} in it")) == []
    assert marks_in(f"text with {mark} in it") == (mark,)


@given(st.text(max_size=80))
def test_any_text_can_be_asked_about(text: str) -> None:
    found = list(placeholders_in([text]))
    assert all(path == (0,) and mark in text for path, mark in found)
    assert is_placeholder(text) == (found == [((0,), text.strip())] and "\n" not in text.strip())
