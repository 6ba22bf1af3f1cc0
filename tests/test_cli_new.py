"""`signoff new`: a note of a template, under a free name, and what is left to be filled in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.cli.filling import LONGEST_NAME, fill, formatted, note_name
from signoff.config.folders import _part_problem
from signoff.note.document import parse
from signoff.vault import is_conflict_copy, is_note_name
from support.commands import Laid

NOW = datetime(2026, 3, 7, 8, 5, 9, tzinfo=UTC)
TITLES = st.text(
    st.characters(exclude_categories=("C", "Z")) | st.sampled_from(" :'\"#%{}[]<>|"), max_size=60
)


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    return Laid(tmp_path_factory.mktemp("new"))


@pytest.mark.promise("10")
def test_a_template_becomes_a_note_in_the_inbox_and_what_is_left_is_named(laid: Laid) -> None:
    made = laid.json("new", "email", "--title", "Hello: Mia")
    note = laid.vault / made["file"]
    assert made["file"] == "Inbox/Hello Mia.md"
    assert made["template"] == "Email"
    lines = note.read_text().split("\n")
    assert made["left"]
    assert all(each["text"] in lines[each["line"] - 1] for each in made["left"])


@pytest.mark.promise("10")
def test_what_is_filled_in_at_run_time_is_not_named_as_left_to_a_person(laid: Laid) -> None:
    left = [each["text"] for each in laid.json("new", "Weekly report")["left"]]
    assert left
    assert all(text.startswith("<") for text in left)


@pytest.mark.promise("1.1")
def test_a_note_that_still_holds_a_placeholder_stays_a_draft_and_says_where(laid: Laid) -> None:
    note = laid.vault / laid.json("new", "Email", "--title", "Unfilled")["file"]
    laid.worked()
    text = note.read_text()
    assert "status: draft" in text
    assert "placeholder" in text
    assert not (laid.vault / "Pending_Approval" / "Unfilled.md").exists()


@pytest.mark.promise("1.4")
def test_no_note_is_ever_overwritten(laid: Laid) -> None:
    mine = laid.drop("Taken.md", "mine")
    made = [laid.json("new", "Note", "--title", "Taken")["file"] for _ in range(2)]
    assert made == ["Inbox/Taken 2.md", "Inbox/Taken 3.md"]
    assert mine.read_text() == "mine"


@pytest.mark.promise("10")
def test_without_a_name_the_templates_are_listed_the_vaults_own_first(laid: Laid) -> None:
    own = laid.vault / "Templates" / "Mine.md"
    own.write_text("---\ntitle: x\n---\nWhat I often do.\n")
    listed = laid.json("new")["templates"]
    assert {"name": "Mine", "about": "What I often do.", "source": "vault"} in listed
    assert all(each["about"] for each in listed)
    (laid.vault / "Templates" / "Email.md").unlink()
    sources = {each["name"]: each["source"] for each in laid.json("new")["templates"]}
    assert sources["Email"] == "signoff"
    assert "Email" in laid.signoff("new").stdout


def test_known_placeholders_of_obsidian_are_filled_in_and_unknown_ones_named(laid: Laid) -> None:
    text = '---\ntitle: {{title}}\ntags: ["{{date}}"]\n---\n{{date:YYYY}} at {{time}} {{prompt}}\n'
    (laid.vault / "Templates" / "Obsidian.md").write_text(text)
    made = laid.json("new", "obsidian", "--title", 'Say "yes": now')
    note = parse((laid.vault / made["file"]).read_bytes())
    assert note.front is not None
    assert note.front.values["title"] == 'Say "yes": now'
    assert made["filled"] == ["title", "date", "time"]
    assert made["left"] == [{"line": 5, "text": "{{prompt}}"}]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["Nothing"], "unknown-template"),
        (["No"], "ambiguous"),
        (["Email", "--folder", "Approved"], "not-an-inbox"),
        (["Email", "--folder", "Inbox/../Approved"], "not-an-inbox"),
        (["Email", "--folder", "/tmp"], "not-an-inbox"),
        (["Email", "--title", "a\nb\x1b"], "title-invalid"),
        (["Email", "--title", "${{ plan.id }}"], "title-invalid"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_made(
    laid: Laid, arguments: list[str], reason: str
) -> None:
    before = sorted(laid.vault.rglob("*.md"))
    refused = laid.signoff("new", *arguments, "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["code"] == reason
    assert sorted(laid.vault.rglob("*.md")) == before


def test_a_folder_in_the_inbox_is_made_where_asked_for(laid: Laid) -> None:
    assert laid.json("new", "Email", "--folder", "Inbox/mail")["file"] == "Inbox/mail/Email.md"


def test_a_link_in_the_templates_folder_is_no_template(laid: Laid, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("secret")
    (laid.vault / "Templates" / "Linked.md").symlink_to(secret)
    assert "Linked" not in {each["name"] for each in laid.json("new")["templates"]}


@given(TITLES)
def test_every_title_gives_a_name_that_is_valid_everywhere(title: str) -> None:
    name = note_name(title)
    assert len(name.encode()) <= LONGEST_NAME + len(" note")
    if name:
        assert _part_problem(name) == ""
        assert is_note_name(f"{name}.md")
        assert not is_conflict_copy(name)
        assert not set("#^[]/") & set(name)


@pytest.mark.parametrize("name", ["con", "COM1", "a (conflicted copy 2026)", "...", "~$x", ".hidden", "a."])
def test_names_with_a_meaning_elsewhere_are_changed(name: str) -> None:
    made = note_name(name)
    assert made != name
    assert not made or (_part_problem(made) == "" and not is_conflict_copy(made))


@given(TITLES.filter(str.strip))
def test_a_title_never_changes_more_than_the_value_it_stands_in(title: str) -> None:
    """Whatever it holds: quotes, colons, comments, a line that looks like a key."""
    shown = " ".join(title.split())
    filled = fill('---\r\ntitle: {{title}}\r\nsubject: "Re: {{title}}"\r\n---\r\n', title=shown, now=NOW)
    front = parse(filled.text.encode()).front
    assert front is not None
    assert dict(front.values) == {"title": shown, "subject": f"Re: {shown}"}


def test_dates_are_written_as_obsidian_writes_them() -> None:
    assert formatted(NOW, "YYYY-MM-DD HH:mm:ss") == "2026-03-07 08:05:09"
    assert formatted(NOW, "D.M.YY [at] H dddd MMMM") == "7.3.26 at 8 Saturday March"
    assert formatted(NOW, "[Week] ww") == "Week ww"
    assert fill("{{Date}} {{ time }}", title="x", now=NOW).text == "2026-03-07 08:05"
