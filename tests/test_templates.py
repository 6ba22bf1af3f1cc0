"""The templates: each is a draft until it is filled in, then passes `check`, and does what it says."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

import signoff
from signoff.plan.placeholders import marks_in
from support.commands import Laid
from support.project import eventually

TEMPLATES = sorted((Path(signoff.__file__).parent / "data" / "vault" / "Templates").glob("*.md"))
TEXT = {"type": "string"}
ELSEWHERE = [
    ("slack", "post_message", {"channel": TEXT, "text": TEXT}),
    ("linkedin", "create_post", {"text": TEXT}),
    (
        "odoo",
        "create_invoice",
        {"partner_name": TEXT, "amount": {"type": "number"}, "currency": TEXT, "description": TEXT},
    ),
]
WORDS = {
    "to": "{}@example.com",
    "path": "{}.md",
    "amount": "120.5",
    "run_at": "2020-01-01 09:00",
    "expires": "2099-12-31",
    "query": "{}",
}


class Templated(Laid):
    """A project as `signoff init` lays it, with the embedded servers and three others that are stubs."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        own = [
            (self.vault, "vault", ["--folder", "Notes"]),
            (self.vault, "mail", ["--outbox", str(root / "out")]),
        ]
        servers: dict[str, Any] = {
            name: {
                "command": sys.executable,
                "args": ["-m", f"signoff.embedded.{name}", "--vault", str(vault), *more],
            }
            for vault, name, more in own
        }
        for server, tool, properties in ELSEWHERE:
            schema = {"type": "object", "properties": properties, "required": list(properties)}
            defined = root / f"{server}.tools.json"
            defined.write_text(json.dumps([{"name": tool, "description": "Does it.", "inputSchema": schema}]))
            servers[server] = self.stub("--definitions", str(defined), name=server)
        self.set_servers(servers)
        self.policy("requires:\n  medium: {method: edit, ttl: 365d}\n  high: {method: edit}\n")

    def letters(self, word: str) -> list[Any]:
        """The messages in the outbox whose subject has a word."""
        found = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in self.outbox()]
        return sorted((each for each in found if word in each["subject"]), key=lambda each: str(each["to"]))

    def outbox(self) -> list[Path]:
        folder = self.root / "out"
        return sorted(folder.glob("*.eml")) if folder.is_dir() else []

    def wrote(self, name: str) -> str:
        """The text of a note that the `vault` server wrote."""
        return (self.vault / "Notes" / f"{name}.md").read_text()

    def made(self, template: str, word: str) -> Path:
        """A note of a template, filled in with a word in every place."""
        made = self.json("new", template, "--title", word)
        note = self.vault / made["file"]
        note.rename(self.root / note.name)
        note = self.root / note.name
        note.write_text(filled(note.read_text(), word))
        return note

    def shown_from(self, template: str, word: str, *changes: tuple[str, str]) -> Path:
        """The same, with changes, once it waits for approval."""
        text = self.made(template, word).read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return self.pending(f"{word}.md", text)


def filled(text: str, word: str) -> str:
    """A template with every placeholder in its properties and steps replaced by what its key takes."""

    def value(found: re.Match[str]) -> str:
        item = "-" in found["head"]
        counts.append(item)
        shape = WORDS["to"] if item else WORDS.get(found["key"] or "", "{}")
        return found["head"] + shape.format(f"{word}{sum(counts)}" if item else word)

    counts: list[bool] = []
    line = re.compile(r'(?m)^(?P<head>\s*(?:(?P<key>\w+):\s+|-\s+|))"?<[^<>\n]+>"?$')
    return line.sub(value, text)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Templated]:
    made = Templated(tmp_path_factory.mktemp("templates"))
    try:
        yield made.start()
    finally:
        made.close()


def test_there_are_templates_for_what_people_do_most() -> None:
    assert {path.stem for path in TEMPLATES} == {
        "Announcement",
        "Change notes",
        "Email",
        "Follow-up",
        "Invoice",
        "Mail to each",
        "Note",
        "Note and mail",
        "Send later",
        "Two emails",
        "Update with undo",
        "Weekly report",
    }


@pytest.mark.promise("4")
@pytest.mark.parametrize("template", [path.stem for path in TEMPLATES])
def test_each_template_is_a_question_at_its_first_placeholder_and_a_plan_once_filled_in(
    home: Templated, template: str
) -> None:
    source = next(path for path in TEMPLATES if path.stem == template)
    [asked] = home.json("check", str(source), code=1)
    assert (asked["kind"], asked["reason"]) == ("question", "placeholder")
    assert marks_in(source.read_text().split("\n")[asked["line"] - 1])

    [found] = home.json("check", str(home.made(template, f"check-{template}")))

    assert found["kind"] == "plan"
    assert found["title"] == f"check-{template}"
    assert all("<" not in json.dumps(step["arguments"]) for step in found["steps"])


@pytest.mark.parametrize(("template", "letters"), [("Email", 1), ("Send later", 1), ("Two emails", 2)])
def test_the_mail_templates_send_what_they_say(home: Templated, template: str, letters: int) -> None:
    word = template.replace(" ", "").lower()
    home.approve(home.shown_from(template, word))
    home.await_note(f"{word}.md", "Done", "status: done")
    assert len(home.letters(word)) == letters


def test_the_note_templates_write_what_they_say(home: Templated) -> None:
    home.approve(home.shown_from("Note", "note"))
    home.await_note("note.md", "Done", "status: done")
    assert home.wrote("note") == "note\n"
    home.approve(home.shown_from("Note and mail", "both"))
    home.await_note("both.md", "Done", "status: done")
    assert home.wrote("both") == "both\n"
    assert len(home.letters("both")) == 1


def test_change_notes_writes_one_and_adds_a_line_to_another(home: Templated) -> None:
    (home.vault / "Notes").mkdir(exist_ok=True)
    (home.vault / "Notes" / "Index.md").write_text("# Index\n")
    index = ("needs: [new]\n   with:\n     path: changed.md", "needs: [new]\n   with:\n     path: Index.md")
    home.approve(home.shown_from("Change notes", "changed", index))
    home.await_note("changed.md", "Done", "status: done")
    assert home.wrote("changed") == "changed\n"
    assert home.wrote("Index") == "# Index\nchanged\n"


@pytest.mark.promise("7")
def test_an_announcement_goes_to_every_channel_and_the_note_says_where_it_went(home: Templated) -> None:
    home.approve(home.shown_from("Announcement", "announced"))
    home.await_note("announced.md", "Done", "status: done")
    assert len(home.letters("announced")) == 1
    assert [call["arguments"] for call in home.calls("slack")] == [
        {"channel": "announced", "text": "announced"}
    ]
    assert [call["arguments"] for call in home.calls("linkedin")] == [{"text": "announced"}]
    assert home.wrote("announced") == "Email: true, Slack: true, LinkedIn: true\n"


@pytest.mark.promise("7")
def test_an_announcement_that_fails_on_one_channel_is_noted_all_the_same(home: Templated) -> None:
    home.approve(home.shown_from("Announcement", "partly", ("partly@example.com", "nobody at all")))
    home.await_note("partly.md", "Failed", "status: failed")
    assert home.wrote("partly") == "Email: false, Slack: true, LinkedIn: true\n"


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    ("address", "folder", "noted"),
    [
        ("followed@example.com", "Done", "Sent: <"),
        ("nobody at all", "Failed", "it did not go"),
    ],
)
def test_a_follow_up_depends_on_how_the_email_went(
    home: Templated, address: str, folder: str, noted: str
) -> None:
    word = f"follow-{folder.lower()}"
    changes = ((f"{word}@example.com", address), (f"content: {word}", "content: it did not go"))
    home.approve(home.shown_from("Follow-up", word, *changes))
    done = home.await_note(f"{word}.md", folder, f"status: {folder.lower()}")
    assert home.wrote(word).startswith(noted)
    assert "skipped" in done.read_text().split("%% signoff %%")[1]


@pytest.mark.promise("7")
def test_mail_to_each_sends_one_email_to_every_address(home: Templated) -> None:
    home.approve(home.shown_from("Mail to each", "each"))
    home.await_note("each.md", "Done", "status: done")
    assert [each["to"] for each in home.letters("each")] == ["each1@example.com", "each2@example.com"]


@pytest.mark.promise("7")
def test_an_update_is_undone_where_the_email_cannot_be_sent(home: Templated) -> None:
    notes = home.vault / "Notes"
    notes.mkdir(exist_ok=True)
    for word, address, folder in (("new", "ana@example.com", "Done"), ("old", "nobody at all", "Failed")):
        (notes / f"update-{word}.md").write_text("as it was\n")
        change = (f"update-{word}@example.com", address)
        home.approve(home.shown_from("Update with undo", f"update-{word}", change))
        home.await_note(f"update-{word}.md", folder, f"status: {folder.lower()}")
    assert home.wrote("update-new") == "update-new\n"
    assert home.wrote("update-old") == "as it was\n"


@pytest.mark.promise("7")
def test_the_weekly_report_is_scheduled_for_monday_and_one_run_of_it_sends_what_was_found(
    home: Templated,
) -> None:
    (home.vault / "Notes").mkdir(exist_ok=True)
    (home.vault / "Notes" / "Week.md").write_text("weekly: all is well\n")
    home.approve(home.shown_from("Weekly report", "weekly"))
    waiting = home.await_note("weekly.md", "Approved", "next_run:")
    assert "T08:00:00" in str(home.front(waiting)["next_run"]).replace(" ", "T")

    home.approve(
        home.shown_from(
            "Weekly report",
            "weekly-once",
            ("schedule: 0 8 * * mon\n", ""),
            ("query: weekly-once", "query: weekly"),
        )
    )
    home.await_note("weekly-once.md", "Done", "status: done")
    [letter] = home.letters("weekly-once")
    assert "all is well" in letter.get_content()


@pytest.mark.promise("6")
def test_an_invoice_waits_for_two_people_of_whom_neither_proposed_it(tmp_path: Path) -> None:
    home = Templated(tmp_path / "books")
    home.configure("".join(f"[approvers.{name}]\n" for name in ("ana", "ben", "invoice")))
    text = next(path for path in TEMPLATES if path.stem == "Invoice").read_text()
    said = text.split("```text\n")[1].split("```")[0]
    home.policy(said.replace("method: code", "method: edit"))
    try:
        home.start()
        note = home.shown_from("Invoice", "invoice")
        assert "It needs 2 different approvers." in note.read_text()
        plan = str(home.front(note)["id"])
        assert "proposer-approves" in home.refused("approve", plan, "--as", "invoice")
        for name in ("ana", "ben"):
            assert home.calls("odoo") == []
            assert home.signoff("approve", plan, "--as", name).returncode == 0
            eventually(lambda name=name: home.entries("approved", approver=name), f"{name} approved")
        home.await_note("invoice.md", "Done", "status: done")
        assert home.calls("odoo")[0]["arguments"] == {
            "partner_name": "invoice",
            "amount": 120.5,
            "currency": "EUR",
            "description": "invoice",
        }
        assert len(home.letters("invoice")) == 1
    finally:
        home.close()
