"""Reading real notes is pure, total and cheap; what is read is under the digest; nothing is followed."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialect_table import TABLE
from plan_material import TEXT, schema, view
from signoff import observe
from signoff.catalogue import load_catalogue
from signoff.errors import NoteError
from signoff.model import FrozenPlan, Plan, ServerView, Tool
from signoff.note.document import parse
from signoff.plan.freeze import freeze
from signoff.plan.read import read_plan

CATALOGUE = load_catalogue(None)
MAIL = schema(("to", "subject", "body"), to=TEXT, subject=TEXT, body=TEXT)
VIEWS: Mapping[str, ServerView] = {"mail": view("mail", Tool("send_email", "Sends.", MAIL))}
NOTE = """---
type: approval_request
action: send_email
to: ana@example.com
subject: Figures
priority: medium
---
# Approval

Please look at it soon.

## Message

Dear Ana,

the **figures** are in.

## Notes

- [ ] Looked at
"""


def read(text: str) -> Plan | None:
    return read_plan(parse(text.encode()), CATALOGUE, fallback_title="x")


def frozen(text: str, views: Mapping[str, ServerView] = VIEWS) -> FrozenPlan:
    plan = read(text)
    assert plan is not None
    return freeze(plan, "the-plan", CATALOGUE, views)


# ---------------------------------------------------------------- total, deterministic


WORDS = [
    *{line for row in TABLE for line in row[1].split("\n")},
    *(
        "```",
        "---",
        "> ",
        "<!--",
        "-->",
        "%%",
        "## Message",
        "**Body:**",
        "| a | b |",
        "|---|---|",
        "${{ x }}",
        "\t- x",
    ),
]


@pytest.mark.promise("4")
@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(sorted(WORDS)), max_size=30), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_reading_is_total_and_deterministic(rows: list[str], end: str, front: bool) -> None:
    text = ("---" + end if front else "") + end.join(rows)

    def once() -> Any:
        try:
            return read(text)
        except NoteError as error:
            return (error.code, error.line, error.column, str(error))

    first = once()
    assert first == once()
    if isinstance(first, tuple):
        assert first[1] is not None


@pytest.mark.promise("4")
@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_under_the_heading_is_sent_as_it_is_or_asked_about(text: str) -> None:
    note = "---\naction: send_email\nto: a@example.com\nsubject: S\n---\n## Message\n" + text + "\n"
    plan = None
    try:
        plan = read(note)
    except NoteError as error:
        place = error.line
    else:
        place = None
    if place is not None:
        return  # a question, and it says where
    assert plan is not None
    body = plan.steps[0].arguments["body"]
    assert isinstance(body, str)
    rest = note.replace("\r\n", "\n").replace("\r", "\n")
    assert body in rest


# ---------------------------------------------------------------- the digest


@pytest.mark.promise("5")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ana@example.com", "anb@example.com"),
        ("subject: Figures", "subject: Figurez"),
        ("Dear Ana,", "Dear Anb,"),
        ("**figures**", "*figures*"),
        ("are in.", "are in!"),
    ],
)
def test_one_character_of_an_argument_voids_the_digest_also_in_prose(old: str, new: str) -> None:
    assert old in NOTE
    assert frozen(NOTE.replace(old, new)).digest != frozen(NOTE).digest


@pytest.mark.promise("5")
@pytest.mark.parametrize(
    "changed",
    [
        NOTE.replace("\n", "\r\n"),
        "\ufeff" + NOTE,
        NOTE.replace("subject: Figures", 'subject: "Figures"   # as agreed'),
        NOTE.replace("to: ana@example.com\nsubject: Figures", "subject: Figures\nto: ana@example.com"),
        NOTE.replace("## Message\n\n", "## Message\n"),
        NOTE.replace("## Notes", "\n\n## Notes"),
        NOTE.replace("look at it soon", "look at it at once"),
        NOTE.replace("- [ ] Looked at", "- [x] Looked at"),
        NOTE.replace("priority: medium", "priority: medium\nstatus: approved\napproved_by: ana\ntags: [x]"),
        NOTE + "\n%% signoff %%\n> [!todo] Waiting\n> **To:** eve@example.com\n\n%% signoff %%\n",
    ],
)
def test_reformatting_and_what_no_argument_is_read_from_change_nothing(changed: str) -> None:
    assert changed != NOTE
    assert frozen(changed).digest == frozen(NOTE).digest


@pytest.mark.promise("5")
def test_what_is_typed_below_the_daemons_section_is_no_part_of_the_text() -> None:
    plain = NOTE.split("## Notes", maxsplit=1)[0]
    section = "\n%% signoff %%\n> [!todo] Waiting\n\n%% signoff %%\n"
    assert (
        frozen(plain + section + "\nLooks good to me.\n\n**Cc:** eve@example.com\n").digest
        == frozen(plain).digest
    )


@pytest.mark.promise("5")
@settings(max_examples=100, deadline=None)
@given(
    st.integers(min_value=0, max_value=len("Dear Ana,\n\nthe **figures** are in.") - 1),
    st.sampled_from("qZ7"),
)
def test_every_character_of_the_text_counts(index: int, char: str) -> None:
    text = "Dear Ana,\n\nthe **figures** are in."
    changed = text[:index] + char + text[index + 1 :]
    note = NOTE.replace(text, changed)
    try:
        digest = frozen(note).digest
    except NoteError:
        return  # a question is no approval either
    assert digest != frozen(NOTE).digest


# ---------------------------------------------------------------- tools and servers


@pytest.mark.promise("8")
def test_a_tool_is_given_declared_arguments_under_the_names_it_knows() -> None:
    tool = Tool(
        "send_email", "Sends.", schema(("recipient", "message"), recipient=TEXT, subject=TEXT, message=TEXT)
    )
    plan = frozen(NOTE, {"mail": view("mail", tool)})
    assert plan.steps[0].calls[0].arguments == {
        "recipient": "ana@example.com",
        "subject": "Figures",
        "message": "Dear Ana,\n\nthe **figures** are in.",
    }


@pytest.mark.promise("8")
def test_two_names_that_a_tool_knows_for_one_argument_are_a_question() -> None:
    tool = Tool("send_email", "Sends.", schema((), to=TEXT, subject=TEXT, message=TEXT, text=TEXT))
    with pytest.raises(NoteError) as caught:
        frozen(NOTE, {"mail": view("mail", tool)})
    assert caught.value.code == "argument-unknown"


@pytest.mark.promise("4")
def test_an_action_that_no_server_offers_is_a_question_that_names_those_that_would() -> None:
    with pytest.raises(NoteError) as caught:
        frozen("---\ntype: tweet\n---\n## Content\nHello\n")
    assert caught.value.code == "unknown-server"
    assert "`twitter.post_tweet`" in caught.value.message
    assert "`twitter`" in caught.value.hint


@pytest.mark.promise("12")
def test_a_catalogue_of_ones_own_stands_over_the_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "actions.yaml"
    path.write_text(
        "send_email:\n  aliases: [tweet]\n  tools:\n    - tool: gmail.send\n      with: {recipient: to}\n"
    )
    own = load_catalogue(path)
    assert [tool.name for tool in own.resolve("send_email").tools] == ["gmail.send"]
    assert own.resolve("tweet").action is own.actions["send_email"]
    assert own.actions["post_twitter"].tools == CATALOGUE.actions["post_twitter"].tools
    plan = read_plan(parse(NOTE.encode()), own, fallback_title="x")
    assert plan is not None
    assert plan.steps[0].arguments["to"] == "ana@example.com"


@pytest.mark.promise("4")
@pytest.mark.parametrize("key", ["scheduled_for", "scheduled", "send_at", "publish_at"])
def test_a_time_under_another_name_is_when_the_plan_starts(key: str) -> None:
    plan = read(f"---\ntype: tweet\n{key}: 2026-03-01T09:00:00\n---\n## Content\nHello\n")
    assert plan is not None
    assert plan.run_at == "2026-03-01T09:00:00"


# ---------------------------------------------------------------- hostile


HUGE = "x" * 200_000
HOSTILE = {
    "one long line": f"{NOTE}{HUGE}",
    "stars": NOTE.replace("Dear Ana,", "*" * 100_000),
    "labels": "**Action:** send_email\n**To:** a@example.com\n" * 8000,
    "sections": "## Message\nhi\n**Action:** post_linkedin\n" * 8000,
    "headings": "---\naction: post_linkedin\n---\n" + "## Message\nhi\n" * 50_000,
    "tables": "| Action | send_email |\n|---|---|\n" * 12_000,
    "brackets": NOTE.replace("Dear Ana,", "[" * 100_000),
    "angles": NOTE.replace("Dear Ana,", "<" * 100_000),
    "quotes": NOTE.replace("Dear Ana,", ">" * 50_000),
    "comments": "<!-- " * 60_000,
    "fences": '```json\n{"action": "payment"}\n```\n' * 8000,
    "nested lists": "## Steps\n"
    + "".join("  " * min(n, 60) + "- Send email to a@example.com\n" for n in range(4000)),
    "phrases": "## Steps\n" + "- Send email to a@example.com\n" * 8000,
    "addresses": f"---\naction: send_email\nto: {'a@' * 50_000}\nsubject: x\nbody: y\n---\n",
    "digits": f"---\naction: pay\nto: x\namount: '{'1,' * 50_000}'\n---\n",
    "braces": NOTE.replace("Dear Ana,", "{" * 100_000),
    "underscores": NOTE.replace("Dear Ana,", "_" * 100_000),
    "drafted texts": NOTE + "## Draft Reply\nhi\n" * 8000,
    "parameters": "**Action:** post_linkedin\n**Parameters**:\n" + "- text: x\n" * 30_000,
    "a long body": NOTE.partition("# Approval")[0] + "words and words\n" * 40_000,
    "a table of tools": "| Tool | Parameters |\n|---|---|\n" + "| a | b |\n" * 40_000,
    "broken rows": "---\ntype: email\n" + "".join(f"a{n}: b: c\n" for n in range(4000)) + "---\n",
    "a broken row after many": "---\n" + "".join(f"a{n}: b\n" for n in range(4000)) + "x: y: z\n---\n",
    "blank headings": "## \n" * 50_000,
}


@pytest.mark.promise("4")
@pytest.mark.timeout(120)  # reading that grows with the square of the note would take minutes
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_note_is_read_in_bounded_time(name: str) -> None:
    data = HOSTILE[name].encode()[: 1 << 20]
    reading = observe.read("x.md", data, CATALOGUE)
    assert len(str(reading.problem or "")) < 2000


@pytest.mark.promise("4")
def test_nothing_in_a_note_is_fetched_opened_or_followed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("reading a note reached out")

    note = (
        f"---\naction: send_email\nto: a@example.com\nsubject: See ![[{secret}]]\n---\n## Message\n"
        f"![](file://{secret}) ![[Other note]] https://example.com/x `cat {secret}` $(id)\n"
    )
    data = parse(note.encode())
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr("os.open", refuse)
    plan = read_plan(data, CATALOGUE, fallback_title="x")
    assert plan is not None
    assert f"![](file://{secret})" in str(plan.steps[0].arguments["body"])
