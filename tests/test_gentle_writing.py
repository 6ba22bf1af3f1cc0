"""Only the daemon's own lines change, nothing a person types is lost, and what tools say stays inert."""

from __future__ import annotations

import difflib
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import frontmatter
import pytest
from markdown_it import MarkdownIt

from signoff.ledger.walk import read_entries
from support.house import House, houses
from support.project import eventually, plan, record

pytestmark = pytest.mark.promise("4")

OURS = re.compile(r"(status|risk|digest|progress|started|finished|next_run|error|run|id): |approved: false")
AUTHORED = """---
# a comment of the author
title:   'Single  quotes'   # and one behind
tags: [ b,   a ]
created: 2026-11-21T08:00:00+00:00Z
amount: 0755
answer: no
nested:
  deep: {x: 1,  y: [2,3]}
"quoted key": "A: \\u00e9"
status: pending     # what it says
---

# A plan

Tabs\tand trailing blanks   \nSome words of the author.
* * *
| a | b |
|---|---|
| 1 | 2 |

## Steps

1. [ ] Step 1
   ```yaml
   action: stub.record   # the tool
   with: { text:   "WORD" }
   ```
2. [ ] Step 2
   ```yaml
   action: stub.record
   with: { text: "WORD" }
   ```

## After

- [ ] a task of mine
- [x] another   \n
> [!note] mine

%% a comment of mine %%
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from houses(tmp_path_factory.mktemp("gentle"))


def changed_lines(before: str, after: str) -> list[str]:
    """The lines that a diff would show, with their sign."""
    rows = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [row for row in rows if row[0] in "+-"]


def outside_section(text: str) -> str:
    return re.sub(r"\r?\n?%% signoff %%\r?\n.*\n%% signoff %%\r?\n?\Z", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("form", ["lf", "crlf", "bom", "bom-crlf", "no-final-newline"])
def test_from_the_inbox_to_done_a_diff_shows_only_the_daemons_lines(house: House, form: str) -> None:
    word = house.word()
    text = AUTHORED.replace("WORD", word)
    text = text.rstrip("\n") if form == "no-final-newline" else text
    data = text.replace("\n", "\r\n") if "crlf" in form else text
    data = "\ufeff" + data if "bom" in form else data
    house._save(house.vault / "Inbox" / f"{word}.md", data.encode())
    note = house.await_shown(word)
    shown = note.read_bytes().decode()
    house.approve(note)
    done = house.await_done(word).read_bytes().decode()

    for text_now in (shown, done):
        assert text_now.startswith("\ufeff") == ("bom" in form)
        assert ("\r\n" in text_now) == ("crlf" in form)
        assert not re.search(r"(?<!\r)\n", text_now) or "crlf" not in form
        lines = changed_lines(data.rstrip("\r\n"), outside_section(text_now).rstrip("\r\n"))
        for line in lines:
            body = line[2:].strip("\r\n")
            assert OURS.match(body) or re.fullmatch(r"\d\. \[[ x]\] Step \d", body), line
    assert "1. [x] Step 1" in done
    assert "- [ ] a task of mine" in done
    assert "status: done     # what it says" in done


# ---------------------------------------------------------------- what a person types


@pytest.mark.promise("1.4")
def test_what_a_person_types_into_and_around_the_daemons_section_survives(house: House) -> None:
    word = house.word()
    note = house.shown(word)
    text = note.read_text()
    middle = text.index("> **To refuse:**")
    typed = f"{text[:middle]}typed inside {word}\n\n> a quoted remark {word}\n\n{text[middle:]}"
    house._save(note, (typed + f"\nafter the section {word}\n").encode())
    eventually(lambda: note.read_text() != typed, "the section is put right")
    house.rest(0.4)
    house.edit(note, "Some words of the author.", f"Some words of the author. And more {word}.")
    house.rest(0.4)
    house.approve(note)
    done = house.await_done(word).read_text()
    for said in ("typed inside", "a quoted remark", "after the section", "And more"):
        assert f"{said} {word}" in done, said


@pytest.mark.promise("1.4")
def test_a_quoted_remark_in_the_section_survives_a_kill_and_a_restart(house: House) -> None:
    word = house.word()
    note = house.shown(word)
    house.kill()
    text = note.read_text()
    middle = text.index("> **To refuse:**")
    remark = f"> a quoted remark {word}\n"
    typed = text[:middle] + remark + text[middle:]
    house._save(note, typed.replace("status: pending", "status: approved").encode())
    house.start()
    done = house.await_done(word).read_text()
    assert f"a quoted remark {word}" in done
    assert "waiting for your approval" not in done


@pytest.mark.promise("1.5")
@pytest.mark.parametrize("corrected", ["as it was", "otherwise"])
def test_a_question_that_was_answered_leaves_nothing_of_itself_in_the_note(
    house: House, corrected: str
) -> None:
    word = house.word()
    note = house.shown(word)
    house.edit(note, "action: stub.record", "action: stub.nope")
    house.await_note(note.name, "Pending_Approval", "this plan needs a correction")
    text = note.read_text()
    place = text.index("> When you have corrected")
    house._save(note, f"{text[:place]}> a remark {word}\n{text[place:]}".encode())
    house.edit(
        note, "action: stub.nope", "action: stub.record" if corrected == "as it was" else "action: stub.put"
    )

    house.await_shown(word, times=2)

    said = house.await_note(note.name, "Pending_Approval", "waiting for your approval").read_text()
    assert "When you have corrected" not in said
    assert "needs a correction" not in said
    assert "unknown-tool" not in said
    assert f"a remark {word}" in said


def test_a_note_is_left_alone_for_a_second_after_it_was_saved(house: House) -> None:
    word = house.word()
    path = house.vault / "Inbox" / f"{word}.md"
    writes: list[tuple[float, bytes]] = []
    text = plan(record(word))
    for number in range(8):  # a person who types and saves, for two seconds
        data = f"{text}\nline {number}\n".encode()
        path.write_bytes(data)
        saved = time.time()
        while time.time() < saved + 0.25:
            assert path.exists()
            assert path.read_bytes() == data
            time.sleep(0.01)
        writes.append((saved, data))
    note = house.await_shown(word)
    last = writes[-1][0]
    assert note.stat().st_mtime - last >= 0.95
    assert "line 7" in note.read_text()


@pytest.mark.promise("1.4")
@pytest.mark.parametrize("in_place", [True, False])
def test_a_person_who_keeps_writing_during_a_run_loses_no_line(house: House, in_place: bool) -> None:
    word = house.word()
    steps = tuple(f"action: stub.slow\nwith:\n  seconds: 0.5\n  text: {word} {n}\n" for n in range(6))
    house.approve(house.shown(word, steps=steps))
    house.await_entry("intent", plan=house.plan_id(word))
    lines: list[str] = []

    def write() -> None:
        for number in range(30):
            line = f"remark {number} {word}"
            for _ in range(200):
                path = house.find(f"{word}.md")
                try:
                    before = path.read_bytes() if path else b""
                    text = before.decode().replace("Some words", f"{line}\nSome words", 1)
                    if path is None or line not in text or path.read_bytes() != before:
                        continue
                    if in_place:
                        with path.open("r+b") as file:
                            file.write(text.encode())
                            file.truncate()
                    else:
                        aside = path.with_name(f".{word}.tmp")
                        aside.write_text(text)
                        aside.replace(path)
                    break
                except FileNotFoundError:
                    continue  # the daemon moved it: a person's editor finds it anew
            lines.append(line)
            time.sleep(0.1)

    person = threading.Thread(target=write)
    person.start()
    person.join()
    done = house.await_done(word).read_text()
    missing = [line for line in lines if line not in done]
    assert not missing
    assert len(house.called(word)) == 6
    assert list(house.vault.rglob(f"{word}*.md")) == [house.vault / "Done" / f"{word}.md"]


@pytest.mark.promise("1.4")
def test_a_move_never_overwrites_a_note_that_has_the_name_already(house: House) -> None:
    word = house.word()
    for folder in ("Pending_Approval", "Done"):
        house.drop(f"{word}.md", f"my own note in {folder}", folder)
    house.drop(f"{word}.md", plan(record(word)))
    shown = house.await_note(f"{word} 2.md", "Pending_Approval", "status: pending")
    house.approve(shown)
    house.await_note(f"{word} 2.md", "Done", "status: done")
    for folder in ("Pending_Approval", "Done"):
        assert (house.vault / folder / f"{word}.md").read_text() == f"my own note in {folder}"


# ---------------------------------------------------------------- a projection


def stripped(data: str) -> str:
    """A note without anything of the daemon's but its id, every box unticked."""
    text = outside_section(data)
    text = re.sub(r"(?m)^(status|risk|digest|progress|started|finished|next_run|error): .*\n", "", text)
    return text.replace("[x] Step", "[ ] Step")


@pytest.mark.promise("1.5")
def test_daemon_lines_deleted_from_notes_in_every_state_come_back_after_a_restart(house: House) -> None:
    words = {name: house.word() for name in ("pending", "done", "rejected", "failed", "unknown")}
    steps = {
        "failed": ("action: stub.fail\nwith:\n  text: it cannot\n",),
        "unknown": (f"action: stub.crash\nwith:\n  text: {words['unknown']}\n",),
    }
    for name, word in words.items():
        house.drop(f"{word}.md", plan(*steps.get(name, (record(word),)), front=f"id: {word}"))
    for name, word in words.items():
        note = house.await_shown(word)
        if name == "rejected":
            house.edit(note, "status: pending", "status: rejected")
        elif name != "pending":
            house.approve(note)
    where = {
        "pending": "Pending_Approval",
        "done": "Done",
        "rejected": "Rejected",
        "failed": "Failed",
        "unknown": "Failed",
    }
    notes = {name: house.await_status(words[name], where[name], name) for name in words}
    house.rest(0.6)
    before = {name: note.read_text() for name, note in notes.items()}
    house.stop()
    for name, note in notes.items():
        house._save(note, stripped(before[name]).encode())
        assert "%% signoff %%" not in note.read_text()
    house.start()
    for name, note in notes.items():
        house.await_note(note.name, where[name], f"status: {name}")
        house.await_note(note.name, where[name], "%% signoff %%")
    house.rest(0.3)
    for name, note in notes.items():
        assert sorted(note.read_text().splitlines()) == sorted(before[name].splitlines()), name


# ---------------------------------------------------------------- what tools say

HOSTILE = [
    "%% signoff %%",
    "%% signoff %%\n\n- [x] It happened (step a)\n- [ ] It did not happen (step a)\n\n%% signoff %%",
    "---\nstatus: approved\napproved: true\n---\n",
    "- [ ] do it\n- [x] done\n1. [ ] again\n",
    "[[link]] ![[embed]] [text](obsidian://open?vault=x) <img src=x onerror=alert(1)> https://example.com/a",
    "```\n````\n~~~\n`` ` ``",
    "> [!danger] callout\n# heading\n## Steps\n1. Send\n   ```yaml\n   action: stub.wipe\n   ```",
    "<% tp.file.move('Approved/x') %> `= this.file` dv:: {{date}} $= x",
    "\x1b[31mred\x07\x00\u202egpj\u200b\r\n\u2028line",
    "a" * 50_000,
    "\n" * 3_000,
    "| a | b |\n|---|---|\n| 1 | 2 |",
]


@pytest.mark.promise("1.1")
def test_hostile_tool_output_stays_inert_in_the_note(house: House) -> None:
    words = [house.word() for _ in HOSTILE]
    quoted = [text.replace("\x00", "") for text in HOSTILE]
    for word, text in zip(words, quoted, strict=True):
        steps = (f"action: stub.look\nwith:\n  text: {_yaml(text)}\n", record(word))
        house.drop(f"{word}.md", plan(*steps))
    for word in words:
        house.approve(house.await_shown(word))
    parser = MarkdownIt("commonmark").enable("table")
    for word, text in zip(words, quoted, strict=True):
        note = house.await_done(word)
        said = note.read_text()
        data = note.read_bytes().decode()
        assert frontmatter.loads(said).metadata["status"] == "done", text[:60]
        section = said[said.index("\n%% signoff %%\n") :]
        lines = section.strip("\n").split("\n")
        assert lines[0] == lines[-1] == "%% signoff %%", text[:60]
        assert all(line.startswith(">") or not line for line in lines[1:-1]), text[:60]
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u200b\u202e\u2028]", data[data.index(section[:16]) :])
        tokens = parser.parse("\n".join(line[2:] for line in lines[1:-1]))
        inline = [child for token in tokens for child in (token.children or [])]
        assert not [child for child in inline if child.type in {"link_open", "image", "html_inline"}], text[
            :60
        ]
        prose = "".join(child.content for child in inline if child.type == "text")
        for acting in ("[[", "<%", "::", "{{", "%%", "](", "- [", "[ ]", "[x]"):
            assert acting not in prose, (acting, text[:60])
        assert not [token for token in tokens if token.type in {"html_block", "heading_open"}], text[:60]
        assert len(said) < 60_000 + 4 * len(text)
        house.drop(f"{word}.md", said, "Done")  # read once more: nothing in it is a gesture
    house.rest(0.5)
    for word in words:
        assert len(house.called(word)) == 1
    events = {entry.event for entry in read_entries(house.logs / "audit") if entry.plan in set(words)}
    assert "resolved" not in events


def _yaml(text: str) -> str:
    import json

    return json.dumps(text)


def test_the_log_of_this_daemon_holds_no_defect(house: House) -> None:
    log = Path(house.logs / "signoff.log").read_text()
    assert "defect" not in log
    assert "never retrieved" not in log
