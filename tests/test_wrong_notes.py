"""Notes that are wrong, half there, or no notes at all: told in place, left where they are, never run."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.house import House, houses
from support.project import eventually, plan, record

pytestmark = pytest.mark.promise("4")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from houses(tmp_path_factory.mktemp("wrong"))


def front(text: str) -> bytes:
    return f"---\nid: WORD\n{text}\n---\n".encode() + plan(record("WORD")).encode()


def steps(block: str) -> bytes:
    return plan(block).encode()


WRONG: dict[str, tuple[bytes, str, str]] = {
    "colon": (front("subject: Re: the offer"), "yaml", r"Line 3, column \d+"),
    "after-quote": (front('subject: "a" b'), "", r"Line 3"),
    "duplicate": (front("mode: parallel\nmode: sequential"), "duplicate", r"Line 4"),
    "anchor": (front("tags: &a [x]"), "", r"Line 3"),
    "alias": (front("tags: &a [x]\naliases: *a"), "", r"Line [34]"),
    "merge": (front("base: 1\n<<: {a: 1}"), "", r"Line 4"),
    "tag": (front("created: !!str 2026"), "", r"Line 3"),
    "case": (front("Status: pending"), "", r"Line 3"),
    "width": (front("ｓtatus: pending"), "", r"Line 3"),
    "invisible": (front("sta\u200btus: pending"), "", r"Line 3"),
    "cyrillic": (front("ѕtatus: pending"), "", r"Line 3"),
    "unclosed": (b"---\nid: WORD\nstatus: pending\n# Steps\naction: stub.record\n", "", ""),
    "glued": (b"---\nid: WORD\nstatus: pending---\n" + steps(record("WORD")), "", ""),
    "tab": (front("tags:\n\t- a"), "", r"Line 4"),
    "mode": (front("mode: paralell"), "value-unknown", "parallel"),
    "expires": (front("expires: next week"), "time-unreadable", r"Line 3"),
    "deep": (front("x: " + "[" * 80 + "]" * 80), "", r"Line 3"),
    "invalid-utf8": (steps(record("WORD")).replace(b"Some words", b"Some \xff words"), "not-utf8", r"Line 7"),
    "nul": (steps(record("WORD")).replace(b"Some words", b"Some \0 words"), "nul-byte", r"Line 7"),
    "conflict": (
        steps(record("WORD")).replace(b"Some words", b"<<<<<<< a\nSome\n=======\nOther\n>>>>>>> b\nwords"),
        "conflict-markers",
        r"Line 7",
    ),
    "tool": (steps("action: stub.recrod\nwith:\n  text: WORD\n"), "unknown-tool", "stub.record"),
    "server": (steps("action: stubb.record\nwith:\n  text: WORD\n"), "unknown", "stub"),
    "missing": (steps("action: stub.record\nwith: {}\n"), "argument-missing", "text"),
    "unknown-argument": (steps("action: stub.record\nwith:\n  txt: WORD\n"), "argument", "text"),
    "type": (steps("action: stub.typed\nwith:\n  count: many\n"), "argument-invalid", "count"),
    "step-key": (steps("action: stub.record\nneed: [a]\nwith:\n  text: WORD\n"), "unknown-key", "needs"),
    "cycle": (steps("id: a\nneeds: [a]\naction: stub.record\nwith:\n  text: WORD\n"), "needs", "a"),
    "no-yaml": (steps("action: stub.record\nwith: [unclosed\n"), "", r"Line \d+"),
}


def without_ours(data: bytes) -> bytes:
    """A note without the daemon's lines."""
    body = re.sub(rb"\n%% signoff %%\n.*\n%% signoff %%\n?\Z", b"", data, flags=re.DOTALL)
    body = re.sub(rb"(?m)^(status: draft|error: .*)\n", b"", body)
    return re.sub(rb"\A---\n---\n", b"", body).rstrip(b"\n")


def test_each_wrong_note_is_told_why_in_place_and_nothing_else_of_it_changes(house: House) -> None:
    words = {kind: house.word() for kind in WRONG}
    written: dict[str, bytes] = {}
    for kind, word in words.items():
        written[kind] = WRONG[kind][0].replace(b"WORD", word.encode())
        house._save(house.vault / "Inbox" / f"{word}.md", written[kind])
    for kind, word in words.items():
        path = house.vault / "Inbox" / f"{word}.md"
        signs = (b"%% signoff %%", WRONG[kind][1].encode())  # a server that is not there yet is told first
        eventually(lambda p=path, s=signs: all(each in p.read_bytes() for each in s), f"{kind} is told")
        data = path.read_bytes()
        told = data.decode(errors="replace").split("%% signoff %%")[1]
        assert "This note is not ready for approval yet. Nothing was called." in told, kind
        assert WRONG[kind][1] in told, kind
        assert re.search(WRONG[kind][2], told), (kind, told)
        mine = re.sub(rb"(?m)^status: pending\n", b"", written[kind])
        assert without_ours(re.sub(rb"(?m)^status: pending\n", b"", data)) == mine.rstrip(b"\n"), kind
        assert house.called(word) == [], kind
    house.rest(0.3)
    before = {word: (house.vault / "Inbox" / f"{word}.md").read_bytes() for word in words.values()}
    house.rest(0.6)
    assert before == {word: (house.vault / "Inbox" / f"{word}.md").read_bytes() for word in words.values()}


MENDED = {
    "colon": ("Re: the offer", '"Re: the offer"'),
    "tool": ("action: stub.recrod", "action: stub.record"),
    "missing": ("with: {}", "with: {text: WORD}"),
}


@pytest.mark.parametrize("kind", MENDED)
def test_a_note_that_is_mended_is_shown_for_approval_and_runs(house: House, kind: str) -> None:
    word = house.word()
    text = WRONG[kind][0].decode().replace("WORD", word)
    path = house.drop(f"{word}.md", text)
    house.await_note(path.name, "Inbox", "%% signoff %%")
    old, new = MENDED[kind]
    house.edit(path, old, new.replace("WORD", word))
    note = house.await_shown(word)
    assert "needs a correction" not in note.read_text()
    assert "error:" not in note.read_text()
    house.approve(note)
    house.await_done(word)
    assert len(house.called(word)) == 1


def test_a_note_that_is_no_plan_is_left_alone_even_where_its_front_matter_is_broken(house: House) -> None:
    word = house.word()
    notes = {
        "plain": b"# Groceries\n\n- [ ] milk\n",
        "front": b"---\nmood: good\ntags: [a]\n---\nA day.\n",
        "broken": b"---\nmood: so: so\n---\nA day.\n",
        "binary": bytes(range(256)) * 4,
        "empty": b"",
        "blank": b"\n\n\n",
        "status": b"---\nstatus: approved\n---\nA thought about approval.\n",
    }
    for name, data in notes.items():
        house._save(house.vault / "Inbox" / f"{word} {name}.md", data)
        house._save(house.vault / "Approved" / f"{word} {name}.md", data)
    house.shown(house.word())
    house.rest(0.5)
    for name, data in notes.items():
        assert (house.vault / "Inbox" / f"{word} {name}.md").read_bytes() == data, name
        assert (house.vault / "Approved" / f"{word} {name}.md").read_bytes() == data, name


def test_what_is_no_regular_file_is_never_opened_and_is_reported_once(house: House, tmp_path: Path) -> None:
    word, inbox = house.word(), house.vault / "Inbox"
    outside = tmp_path / "outside.md"
    outside.write_text(plan(record(word), front="status: approved"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / f"{word} inside.md").write_text(outside.read_text())
    os.mkfifo(inbox / f"{word} fifo.md")
    (inbox / f"{word} link.md").symlink_to(outside)
    (inbox / f"{word} dangling.md").symlink_to(tmp_path / "nothing.md")
    (house.vault / "Approved" / f"{word} link.md").symlink_to(outside)
    (inbox / f"{word} folder").symlink_to(tmp_path / "folder")
    (inbox / f"{word} directory.md").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(inbox)  # the path of a socket is short
        listening.bind(f"{word} socket.md")
        os.chdir(here)
        house._save(inbox / f"{word} huge.md", b"x" * (1 << 20) + outside.read_bytes())
        for name in ("fifo", "link", "dangling", "socket"):
            house.await_refusal(f"{word} {name}", "not-a-regular-file")
        house.await_refusal(f"{word} huge", "note-too-large")
        os.utime(inbox / f"{word} fifo.md")
        house.drop(f"{word}.md", plan(record(f"{word} good")), f"Inbox/{word} directory.md")
        house.await_note(f"{word}.md", f"Pending_Approval/{word} directory.md", "status: pending")
    assert house.called(word) == []
    refused = [str(e.data["path"]) for e in house.entries("refused") if word in str(e.data.get("path"))]
    assert len(refused) == len(set(refused))
    assert not any("directory" in path or "inside" in path for path in refused)
    assert outside.read_text() == plan(record(word), front="status: approved")


@pytest.mark.parametrize("name", ["line\nbreak", "esc\x1b[31m", "bidi\u202egpj", "sep\u2028x"])
def test_a_name_that_could_deceive_is_asked_about_and_forges_no_line_in_any_log(
    house: House, name: str
) -> None:
    word = house.word()
    file = f"{word} {name}.md"
    house.drop(file, plan(record(word), front="status: approved"), "Approved")
    house.await_note(file, "Approved", "name-invalid")
    house.drop(f"{word} diary {name}.md", "A day.\n")
    house.rest(0.3)
    assert house.called(word) == []
    assert house.find(f"{word} diary {name}.md").read_text() == "A day.\n"  # type: ignore[union-attr]
    for log in house.logs.glob("*.log"):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u202e]", log.read_text()), log
        assert all(re.match(r"\d{4}-", line) for line in log.read_text().splitlines()), log


def test_a_write_that_stops_halfway_and_goes_on_later_is_read_when_it_is_whole(house: House) -> None:
    """As sync clients write: in place, cut off, and again from the start."""
    word = house.word()
    text = plan(record(word), record(f"{word} two")).encode()
    path = house.vault / "Inbox" / f"{word}.md"
    with path.open("wb") as file:
        file.write(text[: len(text) // 2])
    time.sleep(2)  # longer than the daemon waits for a writer
    with path.open("wb") as file:
        file.write(text)
    note = house.await_shown(word)
    house.approve(note)
    house.await_done(word)
    assert [call["arguments"]["text"] for call in house.called(word)] == [word, f"{word} two"]


@pytest.mark.promise("1.4")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open")
def test_a_writer_that_keeps_the_file_open_for_seconds_loses_nothing(house: House) -> None:
    words = [house.word() for _ in range(3)]
    texts = [plan(record(word), record(f"{word} two")).encode() for word in words]
    cuts = [text.index(b"   with:") + 3 for text in texts]
    cuts[1] = 0
    files = []
    for word, text, cut in zip(words, texts, cuts, strict=True):
        file = (house.vault / "Inbox" / f"{word}.md").open("wb", buffering=0)
        file.write(text[:cut])
        files.append(file)
    time.sleep(2)  # the person's save is longer ago than the quiet second
    for file, text, cut in zip(files, texts, cuts, strict=True):
        file.write(text[cut:])
        file.close()
    for word in words:
        note = house.await_shown(word)
        assert f"{word} two" in note.read_text()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_note_that_may_not_be_read_is_reported_once_and_read_when_it_may(house: House) -> None:
    word = house.word()
    path = house.drop(f".{word}.aside", plan(record(word)))
    path.chmod(0)
    path.rename(house.vault / "Inbox" / f"{word}.md")
    house.await_refusal(word, "note-unreadable")
    (house.vault / "Inbox" / f"{word}.md").chmod(0o644)
    house.await_shown(word)


def test_the_daemon_complains_of_wrong_notes_in_their_notes_and_never_with_a_traceback(house: House) -> None:
    log = (house.logs / "signoff.log").read_text()
    assert "Traceback" not in log
    assert "exception" not in log.lower()
