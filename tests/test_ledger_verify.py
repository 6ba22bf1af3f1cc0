"""Every change to the log is found, and what cannot be found is said."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from signoff.errors import ConfigError, LedgerDamaged
from signoff.ledger import walk
from signoff.ledger.chain import Chain
from signoff.ledger.checkpoint import NAME, ensure_key, key_id, read_public_key, sign
from signoff.ledger.entry import Event, draft
from signoff.ledger.log import Ledger
from signoff.ledger.verify import Verdict, verify
from signoff.ledger.walk import read_entries

KEY = Ed25519PrivateKey.generate()
MONTHS = ("2026-10", "2026-11")


def write_log(folder: Path, entries: int = 6) -> Path:
    """A log of two months with its checkpoint."""

    async def write() -> None:
        for month, count in zip(MONTHS, (entries // 2, entries - entries // 2), strict=True):
            now = datetime.fromisoformat(f"{month}-15T12:00:00").replace(tzinfo=UTC)
            ledger = Ledger.open(folder / "audit", blobs=folder / "blobs", key=KEY, clock=lambda now=now: now)
            await ledger.append([Event("x", plan=f"plan-{n}", data={"amount": 100.5}) for n in range(count)])
            ledger.close()

    asyncio.run(write())
    return folder / "audit"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("original"))


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "audit")
    return tmp_path / "audit"


def judge(log: Path, anchor: Path | None = None) -> Verdict:
    return verify(log, public_key=KEY.public_key(), anchor=anchor)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.promise("9")
def test_a_log_that_continues_a_checkpoint_kept_elsewhere_is_ok(log: Path, tmp_path: Path) -> None:
    anchor = tmp_path / "usb-stick.json"
    shutil.copy(log / NAME, anchor)

    verdict = judge(log, anchor)

    assert (verdict.status, verdict.exit_code, verdict.entries) == ("ok", 0, 6)
    assert verdict.head == lines_of(log / "2026-11.jsonl")[-1].split(b'"hash":"')[1][:64].decode()


@pytest.mark.promise("9")
def test_without_a_checkpoint_kept_elsewhere_the_verdict_says_what_it_cannot_know(log: Path) -> None:
    verdict = judge(log)
    assert (verdict.status, verdict.exit_code, verdict.entries) == ("unanchored", 0, 6)
    assert "elsewhere" in verdict.message

    (log / NAME).unlink()
    verdict = judge(log)
    assert (verdict.status, verdict.exit_code) == ("unanchored", 0)
    assert "no checkpoint beside the log" in verdict.message


@pytest.mark.promise("9")
def test_only_a_checkpoint_kept_elsewhere_finds_log_and_checkpoint_cut_together(
    log: Path, tmp_path: Path
) -> None:
    anchor = tmp_path / "usb-stick.json"
    shutil.copy(log / NAME, anchor)
    (log / "2026-11.jsonl").unlink()
    (log / NAME).unlink()

    assert judge(log).status == "unanchored"
    assert (judge(log, anchor).status, judge(log, anchor).exit_code) == ("truncated", 6)


def edit(log: Path) -> None:
    path = log / "2026-10.jsonl"
    path.write_bytes(path.read_bytes().replace(b"plan-1", b"plan-9"))


def reorder(log: Path) -> None:
    path = log / "2026-10.jsonl"
    first, second, *rest = lines_of(path)
    path.write_bytes(b"".join([second, first, *rest]))


def take_one_out(log: Path) -> None:
    path = log / "2026-10.jsonl"
    first, _second, *rest = lines_of(path)
    path.write_bytes(b"".join([first, *rest]))


def repeat_one(log: Path) -> None:
    path = log / "2026-10.jsonl"
    first, *rest = lines_of(path)
    path.write_bytes(b"".join([first, first, *rest]))


def delete_the_first_month(log: Path) -> None:
    (log / "2026-10.jsonl").unlink()


def empty_the_first_month(log: Path) -> None:
    (log / "2026-10.jsonl").write_bytes(b"")


def join_the_months(log: Path) -> None:
    (log / "2026-11.jsonl").write_bytes(
        (log / "2026-10.jsonl").read_bytes() + (log / "2026-11.jsonl").read_bytes()
    )
    (log / "2026-10.jsonl").unlink()


def add_a_space(log: Path) -> None:
    path = log / "2026-10.jsonl"
    path.write_bytes(path.read_bytes().replace(b',"attempt"', b', "attempt"', 1))


def add_an_empty_line(log: Path) -> None:
    with (log / "2026-10.jsonl").open("ab") as file:
        file.write(b"\n")


def windows_line_ends(log: Path) -> None:
    path = log / "2026-10.jsonl"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def cut_the_first_month(log: Path) -> None:
    path = log / "2026-10.jsonl"
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.promise("9")
@pytest.mark.parametrize(
    ("deed", "name", "line"),
    [
        (edit, "2026-10.jsonl", 2),
        (reorder, "2026-10.jsonl", 1),
        (take_one_out, "2026-10.jsonl", 2),
        (repeat_one, "2026-10.jsonl", 2),
        (delete_the_first_month, "2026-11.jsonl", 1),
        (empty_the_first_month, "2026-11.jsonl", 1),
        (join_the_months, "2026-11.jsonl", 1),
        (add_a_space, "2026-10.jsonl", 1),
        (add_an_empty_line, "2026-10.jsonl", 4),
        (windows_line_ends, "2026-10.jsonl", 1),
        (cut_the_first_month, "2026-10.jsonl", 3),
    ],
)
@pytest.mark.parametrize("checkpoint", ["kept", "removed"])
def test_an_edit_is_found_and_the_first_bad_entry_named(
    log: Path, deed: Callable[[Path], None], name: str, line: int, checkpoint: str
) -> None:
    deed(log)
    if checkpoint == "removed":
        (log / NAME).unlink()
    before = {path: path.read_bytes() for path in log.iterdir()}

    verdict = judge(log)

    assert (verdict.status, verdict.exit_code) == ("tampered", 7)
    assert (verdict.file, verdict.line) == (str(log / name), line)
    assert verdict.seq == verdict.entries + 1
    assert {path: path.read_bytes() for path in log.iterdir()} == before
    with pytest.raises(LedgerDamaged) as refused:
        Ledger.open(log, blobs=log / "blobs", key=KEY)
    assert (refused.value.code, refused.value.line) == ("tampered", line)


@pytest.mark.promise("9")
@pytest.mark.parametrize("deed", ["empty", "delete-newest", "delete-all", "last-line", "all-lines"])
def test_a_log_that_lost_its_end_is_truncated(log: Path, deed: str) -> None:
    newest = log / "2026-11.jsonl"
    if deed == "delete-newest":
        newest.unlink()
    elif deed == "last-line":
        newest.write_bytes(b"".join(lines_of(newest)[:-1]))
    else:
        for path in log.glob("*.jsonl"):
            if deed == "delete-all":
                path.unlink()
            elif deed == "all-lines" or path == newest:
                path.write_bytes(b"")

    verdict = judge(log)

    assert (verdict.status, verdict.exit_code) == ("truncated", 6)
    assert "are missing" in verdict.message


@pytest.mark.promise("9")
def test_a_cut_at_any_byte_is_found(original: Path) -> None:
    whole = (original / "2026-11.jsonl").read_bytes()

    @settings(deadline=None, max_examples=150)
    @given(st.integers(0, len(whole) - 1))
    def cut(length: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(shutil.copytree(original, Path(folder) / "audit"))
            (log / "2026-11.jsonl").write_bytes(whole[:length])
            assert judge(log).status == "truncated"
            (log / NAME).unlink()
            at_line_end = length == 0 or whole[length - 1 : length] == b"\n"
            assert judge(log).status == ("unanchored" if at_line_end else "torn tail")

    original_growing, walk._GROWING = walk._GROWING, 0.0
    try:
        cut()
    finally:
        walk._GROWING = original_growing


@pytest.mark.promise("9")
def test_any_other_byte_anywhere_is_found(original: Path) -> None:
    files = {name: (original / name).read_bytes() for name in ("2026-10.jsonl", "2026-11.jsonl", NAME)}
    places = [(name, at) for name, data in files.items() for at in range(len(data) - 1)]

    @settings(deadline=None, max_examples=150)
    @given(st.sampled_from(places), st.integers(1, 255))
    def change(place: tuple[str, int], difference: int) -> None:
        name, at = place
        with tempfile.TemporaryDirectory() as folder:
            log = Path(shutil.copytree(original, Path(folder) / "audit"))
            data = bytearray(files[name])
            data[at] ^= difference
            (log / name).write_bytes(bytes(data))
            assert judge(log).status == "tampered"
            with pytest.raises(LedgerDamaged):
                Ledger.open(log, blobs=log / "blobs", key=KEY)

    change()


@pytest.mark.promise("9")
def test_a_last_line_that_is_not_whole_is_a_torn_tail(log: Path) -> None:
    newest = log / "2026-11.jsonl"
    whole = newest.read_bytes()
    newest.write_bytes(whole + b'{"approver":nu')

    verdict = judge(log)

    assert (verdict.status, verdict.exit_code, verdict.entries) == ("torn tail", 5, 6)
    assert (verdict.file, verdict.line) == (str(newest), 4)
    assert newest.read_bytes() == whole + b'{"approver":nu', "verifying only reads"


@pytest.mark.promise("9")
def test_a_log_written_anew_with_good_hashes_contradicts_its_checkpoint(log: Path) -> None:
    chain = Chain()
    for month in MONTHS:
        added = [
            chain.add(draft(Event("x", data={"amount": 900})), f"{month}-15T12:00:00.000Z")[0]
            for _ in range(3)
        ]
        (log / f"{month}.jsonl").write_bytes(b"".join(added))

    verdict = judge(log)

    assert (verdict.status, verdict.seq) == ("tampered", 6)
    assert "written anew" in verdict.message


@pytest.mark.promise("9")
@pytest.mark.parametrize("forgery", ["unsigned", "other-key", "smaller", "garbage", "empty", "list"])
def test_a_forged_checkpoint_is_found(log: Path, forgery: str) -> None:
    path = log / NAME
    found = json.loads(path.read_bytes())
    if forgery == "unsigned":
        found["signature"] = ""
    elif forgery == "other-key":
        other = sign(Ed25519PrivateKey.generate(), size=2, head=found["head"], time=found["time"], files={})
        found = json.loads(other.to_bytes())
    elif forgery == "smaller":
        found["size"] = 2
    text = {"garbage": b"\xff{", "empty": b"", "list": b"[]"}.get(forgery)
    path.write_bytes(
        json.dumps(found, sort_keys=True, separators=(",", ":")).encode() if text is None else text
    )

    verdict = judge(log)

    assert (verdict.status, verdict.exit_code, verdict.file) == ("tampered", 7, str(path))
    with pytest.raises(LedgerDamaged):
        Ledger.open(log, blobs=log / "blobs", key=KEY)


def test_a_checkpoint_kept_elsewhere_must_exist_and_be_signed(log: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        judge(log, tmp_path / "nothing.json")
    (tmp_path / "bad.json").write_bytes((log / NAME).read_bytes().replace(b'"size":6', b'"size":5'))
    assert judge(log, tmp_path / "bad.json").status == "tampered"


@pytest.mark.promise("9")
def test_blobs_without_a_log_or_checkpoint_mean_that_the_log_is_gone(tmp_path: Path) -> None:
    assert judge(tmp_path / "audit").status == "unanchored"
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / ("ab" * 32)).touch()
    assert judge(tmp_path / "audit").status == "truncated"
    (tmp_path / "audit").mkdir()
    assert judge(tmp_path / "audit").status == "truncated"


def test_other_files_beside_the_log_are_no_part_of_it(log: Path) -> None:
    for name in ("torn-2026-11-at-7-x.part", "2026-13.jsonl", "2026-11.jsonl.bak", ".signoff-1-1-1.tmp"):
        (log / name).write_bytes(b"whatever")
    assert judge(log).status == "unanchored"


def test_verifying_and_reading_work_while_a_daemon_is_appending(tmp_path: Path) -> None:
    folder, stop, verdicts = tmp_path / "audit", threading.Event(), []
    ready = threading.Event()

    async def write() -> None:
        ledger = Ledger.open(folder, blobs=tmp_path / "blobs", key=KEY)
        while not stop.is_set():
            await asyncio.gather(*(ledger.append([Event("x", data={"x": "y" * 9000})] * 5) for _ in range(5)))
            ready.set()
        ledger.close()

    writer = threading.Thread(target=lambda: asyncio.run(write()))
    writer.start()
    try:
        assert ready.wait(10)
        for _ in range(5):
            verdicts.append(judge(folder))
            entries = [entry.seq for entry in read_entries(folder)]
            assert entries == list(range(1, len(entries) + 1))
    finally:
        stop.set()
        writer.join()

    assert {verdict.status for verdict in verdicts} == {"unanchored"}
    assert [verdict.entries for verdict in verdicts] == sorted(verdict.entries for verdict in verdicts)


def test_a_line_that_grows_while_it_is_read_is_not_torn(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = log / "2026-11.jsonl"
    whole = newest.read_bytes()
    newest.write_bytes(whole[:-20])
    arriving = iter([whole[:-7], whole])
    monkeypatch.setattr(walk.time, "sleep", lambda _seconds: newest.write_bytes(next(arriving)))

    assert judge(log).entries == 6


def test_reading_a_log_leaves_out_a_line_that_is_not_whole_and_refuses_nonsense(log: Path) -> None:
    newest = log / "2026-11.jsonl"
    newest.write_bytes(newest.read_bytes() + b'{"approver"')
    assert len(list(read_entries(log))) == 6

    newest.write_bytes(b"{}\n")
    with pytest.raises(LedgerDamaged) as refused:
        list(read_entries(log))
    assert (refused.value.file, refused.value.line) == (str(newest), 1)


# ---------------------------------------------------------------- the key


def test_the_key_is_made_once_and_its_public_half_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "checkpoint.key"
    key = ensure_key(path)
    again = ensure_key(path)
    public = read_public_key(tmp_path / "secrets" / "checkpoint.pub")

    assert key_id(key.public_key()) == key_id(again.public_key()) == key_id(public)
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_key_that_is_none_is_explained(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.key"
    path.write_bytes(content)
    (tmp_path / "checkpoint.pub").write_bytes(content)
    with pytest.raises(ConfigError, match="key"):
        ensure_key(path)
    with pytest.raises(ConfigError, match="key"):
        read_public_key(tmp_path / "checkpoint.pub")


def test_a_checkpoint_never_speaks_of_more_than_is_in_the_log(log: Path) -> None:
    found = json.loads((log / NAME).read_bytes())

    assert found["size"] == 6
    assert {name: part["bytes"] for name, part in found["files"].items()} == {
        path.name: path.stat().st_size for path in log.glob("*.jsonl")
    }
