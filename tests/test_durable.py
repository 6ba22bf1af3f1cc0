"""Files are written whole or not at all, and nothing is overwritten unseen."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signoff import durable, system
from signoff.durable import Stamp, names
from signoff.errors import ConfigError, NoteChanged, UnsafeFile, VaultOwned
from signoff.ownership import OwnerLock

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


def temporaries(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


# ---------------------------------------------------------------- reading


def test_a_note_is_read_with_the_stamp_of_its_state(tmp_path: Path) -> None:
    (tmp_path / "Inbox").mkdir()
    note = tmp_path / "Inbox" / "plan.md"
    note.write_bytes(b"hello\r\n")

    data, stamp = durable.read_regular(tmp_path, "Inbox/plan.md")

    assert data == b"hello\r\n"
    assert stamp == Stamp.of(note.stat())


def test_a_note_of_exactly_the_limit_is_read_and_a_longer_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "fits.md").write_bytes(b"x" * 10)
    (tmp_path / "long.md").write_bytes(b"x" * 11)

    assert durable.read_regular(tmp_path, "fits.md", max_bytes=10)[0] == b"x" * 10
    with pytest.raises(UnsafeFile) as refused:
        durable.read_regular(tmp_path, "long.md", max_bytes=10)
    assert refused.value.code == "note-too-large"


@posix_only
@pytest.mark.promise("4")
@pytest.mark.parametrize(
    "kind", ["link", "dangling", "folder", "fifo", "socket", "linked-folder", "file-as-folder"]
)
def test_only_regular_files_inside_the_vault_are_opened(tmp_path: Path, kind: str) -> None:
    vault, outside = tmp_path / "v", tmp_path / "outside"
    vault.mkdir()
    outside.mkdir()
    (outside / "plan.md").write_text("secret")
    name = "plan.md"
    listener = socket.socket(socket.AF_UNIX)
    if kind == "link":
        (vault / name).symlink_to(outside / "plan.md")
    elif kind == "dangling":
        (vault / name).symlink_to(outside / "nothing.md")
    elif kind == "folder":
        (vault / name).mkdir()
    elif kind == "fifo":
        os.mkfifo(vault / name)  # opening it to read would wait for ever
    elif kind == "socket":
        listener.bind(str(vault / name))
    elif kind == "linked-folder":
        (vault / "Inbox").symlink_to(outside)
        name = "Inbox/plan.md"
    else:
        (vault / "Inbox").write_text("a file")
        name = "Inbox/plan.md"

    with listener, pytest.raises(UnsafeFile) as refused:
        durable.read_regular(vault, name)
    assert refused.value.code == "not-a-regular-file"


@posix_only
def test_a_device_is_not_opened() -> None:
    with pytest.raises(UnsafeFile):
        durable.read_regular(Path("/dev"), "zero")


@posix_only
def test_a_vault_that_is_itself_behind_a_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "plan.md").write_bytes(b"x")
    (tmp_path / "vault").symlink_to(tmp_path / "real")

    assert durable.read_regular(tmp_path / "vault", "plan.md")[0] == b"x"


@pytest.mark.parametrize("name", ["../plan.md", "a/../../plan.md", "/etc/passwd", "", "a//b", "./a", "a\0b"])
def test_names_that_could_lead_out_of_the_vault_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafeFile):
        durable.read_regular(tmp_path, name)


def test_a_note_that_is_gone_is_told_apart_from_an_unsafe_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        durable.read_regular(tmp_path, "gone.md")
    with pytest.raises(FileNotFoundError):
        durable.read_regular(tmp_path, "no-folder/gone.md")


@posix_only
def test_reading_leaves_no_file_open(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "plan.md").write_bytes(b"x")
    (tmp_path / "a" / "link.md").symlink_to("plan.md")
    fds = Path("/dev/fd")
    before = len(list(fds.iterdir()))

    for _ in range(20):
        durable.read_regular(tmp_path, "a/plan.md")
        for refused in ("a/link.md", "a/plan.md/x", "a"):
            with pytest.raises(UnsafeFile):
                durable.read_regular(tmp_path, refused)

    assert len(list(fds.iterdir())) == before


# ---------------------------------------------------------------- writing


def test_a_write_replaces_the_whole_content_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "plan.md"
    durable.replace(path, b"first, and long")
    durable.replace(path, b"second", expect=b"first, and long")

    assert path.read_bytes() == b"second"
    assert [each.name for each in tmp_path.iterdir()] == ["plan.md"]


@pytest.mark.promise("1.4")
@pytest.mark.parametrize("now", [b"a person's words", b"befor", b"before, and more", b"", None])
def test_a_note_that_a_person_changed_meanwhile_is_not_written_to(tmp_path: Path, now: bytes | None) -> None:
    path = tmp_path / "plan.md"
    path.write_bytes(b"before")
    if now is None:
        path.unlink()
    else:
        path.write_bytes(now)

    with pytest.raises(NoteChanged):
        durable.replace(path, b"the daemon's words", expect=b"before")

    assert (path.read_bytes() if path.exists() else None) == now
    assert temporaries(tmp_path) == []


@settings(deadline=None)
@given(before=st.binary(max_size=40), now=st.binary(max_size=40))
def test_any_change_at_all_is_noticed(
    before: bytes, now: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("notes") / "plan.md"
    path.write_bytes(now)
    if before == now:
        durable.replace(path, b"new", expect=before)
        assert path.read_bytes() == b"new"
    else:
        with pytest.raises(NoteChanged):
            durable.replace(path, b"new", expect=before)
        assert path.read_bytes() == now


@posix_only
def test_a_write_keeps_the_permissions_of_the_note(tmp_path: Path) -> None:
    path = tmp_path / "plan.md"
    path.write_bytes(b"x")
    path.chmod(0o640)

    durable.replace(path, b"y")

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@posix_only
def test_a_new_file_gets_the_permissions_asked_for_or_the_users_usual_ones(tmp_path: Path) -> None:
    former = os.umask(0o027)
    try:
        durable.replace(tmp_path / "usual", b"")
        durable.create(tmp_path / "secret", b"", mode=0o600)
    finally:
        os.umask(former)

    assert stat.S_IMODE((tmp_path / "usual").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root")
def test_a_daemon_that_runs_as_root_leaves_notes_to_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "plan.md"
    path.write_bytes(b"x")
    os.chown(path, 1234, 1235)

    durable.replace(path, b"y")

    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


@posix_only
def test_a_write_to_a_link_replaces_the_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "Dashboard.md").symlink_to("target")

    durable.replace(tmp_path / "Dashboard.md", b"mine")

    assert (tmp_path / "target").read_bytes() == b"precious"
    assert not (tmp_path / "Dashboard.md").is_symlink()


def test_creating_never_touches_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "plan.md"
    durable.create(path, b"first")
    with pytest.raises(FileExistsError):
        durable.create(path, b"second")

    assert path.read_bytes() == b"first"
    assert temporaries(tmp_path) == []


def test_of_many_who_create_one_name_exactly_one_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "plan.md"
    together = threading.Barrier(8)

    def create(number: int) -> bool:
        together.wait()
        try:
            durable.create(path, b"%d" % number)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))

    assert won.count(True) == 1
    assert path.read_bytes() == b"%d" % won.index(True)


@posix_only
def test_a_full_disk_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_bytes(b"old")
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from signoff import durable\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try:\n"
        "    durable.replace(Path(sys.argv[1]), b'x' * 10000)\n"
        "except OSError as error:\n"
        "    print('refused', error.errno)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "plan.md"], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("refused")
    assert (tmp_path / "plan.md").read_bytes() == b"old"
    assert temporaries(tmp_path) == []


# ---------------------------------------------------------------- moving


@pytest.mark.promise("1.4")
def test_a_move_never_overwrites(tmp_path: Path) -> None:
    done = tmp_path / "Done"
    places = []
    for words in (b"one", b"two", b"three"):
        source = tmp_path / "plan.md"
        source.write_bytes(words)
        places.append(durable.move(source, done))
        assert not source.exists()

    assert [place.name for place in places] == ["plan.md", "plan 2.md", "plan 3.md"]
    assert [place.read_bytes() for place in places] == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    ("name", "second"),
    [("plan.md", "plan 2.md"), ("a.b.md", "a.b 2.md"), ("README", "README 2"), (".hidden", ".hidden 2")],
)
def test_the_number_stands_before_the_suffix(tmp_path: Path, name: str, second: str) -> None:
    (tmp_path / "Done").mkdir()
    (tmp_path / "Done" / name).write_bytes(b"old")
    (tmp_path / name).write_bytes(b"new")

    assert durable.move(tmp_path / name, tmp_path / "Done").name == second


def test_a_move_may_give_a_new_name(tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_bytes(b"x")

    assert (
        durable.move(tmp_path / "plan.md", tmp_path / "Done", name="other.md")
        == tmp_path / "Done" / "other.md"
    )


def test_a_move_to_where_the_note_is_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_bytes(b"x")

    assert durable.move(tmp_path / "plan.md", tmp_path) == tmp_path / "plan.md"
    assert [each.name for each in tmp_path.iterdir()] == ["plan.md"]


def test_a_note_that_is_gone_cannot_be_moved_and_leaves_no_placeholder(tmp_path: Path) -> None:
    (tmp_path / "Done").mkdir()
    with pytest.raises(FileNotFoundError):
        durable.move(tmp_path / "plan.md", tmp_path / "Done")
    with pytest.raises(FileNotFoundError):
        durable.move(tmp_path / "plan.md", tmp_path)

    assert list((tmp_path / "Done").iterdir()) == []


@pytest.mark.promise("1.4")
@pytest.mark.parametrize("way", ["rename", "link", "placeholder"])
def test_nothing_is_lost_when_many_move_to_one_name_at_once(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_moves_to(way, monkeypatch)
    done = tmp_path / "Done"
    together = threading.Barrier(8)
    for number in range(40):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "plan.md").write_bytes(b"%d" % number)

    def move(first: int) -> None:
        together.wait()
        for number in range(first, 40, 8):
            durable.move(tmp_path / str(number) / "plan.md", done)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(move, range(8)))

    assert {path.read_bytes() for path in done.iterdir()} == {b"%d" % number for number in range(40)}
    assert len(list(done.iterdir())) == 40
    assert list(tmp_path.glob("*/plan.md")) == [done / "plan.md"]


@posix_only
@pytest.mark.promise("1.4")
def test_what_an_editor_saves_during_a_move_by_link_is_what_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_moves_to("link", monkeypatch)
    source = tmp_path / "plan.md"
    source.write_bytes(b"old")
    link, saves = os.link, iter([b"typed meanwhile"])

    def link_and_save(*args: object, **options: object) -> None:
        link(*args, **options)  # type: ignore[arg-type]
        if words := next(saves, None):
            (tmp_path / "saved").write_bytes(words)
            (tmp_path / "saved").replace(source)

    monkeypatch.setattr(os, "link", link_and_save)

    moved = durable.move(source, tmp_path / "Done")

    assert moved.read_bytes() == b"typed meanwhile"
    assert not source.exists()
    assert list((tmp_path / "Done").iterdir()) == [moved]


def limit_moves_to(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the system as poor as those that have no exclusive rename, or no links either."""
    if way == "rename":
        return
    if sys.platform == "win32":
        pytest.skip("Windows always has an exclusive rename")
    from signoff.system import posix

    monkeypatch.setattr(posix, "_exclusive_rename", lambda: None)
    if way == "placeholder":

        def no_link(*_args: object, **_options: object) -> None:
            raise PermissionError(1, "this file system has no links")

        monkeypatch.setattr(os, "link", no_link)


# ---------------------------------------------------------------- folders


def test_callers_at_the_same_time_share_an_fsync_that_started_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on, count = threading.Event(), threading.Event(), []

    def slow(folder: Path) -> None:
        count.append(folder)
        started.set()
        assert go_on.wait(10)

    monkeypatch.setattr(system, "sync_directory", slow)
    with ThreadPoolExecutor(11) as pool:
        first = pool.submit(durable.sync_directory, tmp_path)
        assert started.wait(10)
        later = [pool.submit(durable.sync_directory, tmp_path) for _ in range(10)]
        sync = names._syncs[os.fspath(tmp_path.absolute())]
        while sync._next is None:  # until one of them waits for its turn
            time.sleep(0.001)
        assert not any(each.done() for each in later), "the first fsync may have been too early for them"
        go_on.set()
        for each in [first, *later]:
            each.result(10)

    assert 2 <= len(count) < 11


def test_a_failed_fsync_fails_all_who_shared_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_folder: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(system, "sync_directory", broken)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(durable.sync_directory, tmp_path) for _ in range(8)]
    assert all(isinstance(each.exception(), OSError) for each in waiting)

    monkeypatch.undo()
    durable.sync_directory(tmp_path)


def test_sweeping_removes_what_a_dead_writer_left_and_nothing_else(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".signoff-{dead.pid}-0-ff.tmp").write_bytes(b"half a no")
    (tmp_path / f".signoff-{os.getpid()}-0-ff.tmp").write_bytes(b"being written now")
    (tmp_path / "mine.tmp").write_bytes(b"a person's")
    (tmp_path / ".signoff-notes.md").write_bytes(b"a person's")

    removed = durable.sweep(tmp_path)

    assert [path.name for path in removed] == [f".signoff-{dead.pid}-0-ff.tmp"]
    assert len(list(tmp_path.iterdir())) == 3


def test_sweeping_removes_what_is_old_whoever_wrote_it(tmp_path: Path) -> None:
    old = tmp_path / f".signoff-{os.getpid()}-0-ff.tmp"
    old.write_bytes(b"")
    os.utime(old, (0, 0))

    assert durable.sweep(tmp_path) == [old]


# ---------------------------------------------------------------- owning

HOLD = """
import sys
from pathlib import Path
from signoff.ownership import OwnerLock
lock = OwnerLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.promise("1.2")
def test_a_second_process_is_refused_and_told_who_owns_the_vault(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"
    with hold(path) as owner:
        with pytest.raises(VaultOwned) as refused:
            OwnerLock(path).acquire()
        assert f"process {owner.pid} on {socket.gethostname()}" in refused.value.message
        assert json.loads(path.read_bytes())["started"] in refused.value.message

        owner.kill()
        owner.wait()
        with OwnerLock(path):
            assert json.loads(path.read_bytes())["pid"] == os.getpid()


def test_one_process_cannot_take_a_lock_twice_and_can_take_it_again_later(tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path / "daemon.lock")
    with lock, pytest.raises(VaultOwned):
        OwnerLock(tmp_path / "daemon.lock").acquire()
    with lock:
        pass
    lock.release()  # a second time does nothing


@pytest.mark.promise("8")
def test_a_server_that_outlives_the_daemon_does_not_keep_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"
    lock = OwnerLock(path)
    lock.acquire()
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE):
        lock.release()
        with OwnerLock(path):
            assert path.exists()


def test_a_lock_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        OwnerLock(tmp_path / "missing" / "daemon.lock").acquire()
    assert "Nothing was started" in refused.value.message


# ---------------------------------------------------------------- saved in the last moment


@pytest.fixture
def saved_at_the_last_moment(monkeypatch):
    """Has somebody save a file between the daemon's last look at it and its own write."""

    def arrange(*saves):
        real, left = system.exchange_files, list(saves)

        def exchange(one, other):
            if left:
                left.pop(0)()
            return real(one, other)

        monkeypatch.setattr(system, "exchange_files", exchange)

    return arrange


def save(path, data):
    aside = path.with_name("editor.tmp")
    aside.write_bytes(data)
    aside.replace(path)


@pytest.mark.promise("1.4")
@pytest.mark.skipif(sys.platform == "win32", reason="needs two names exchanged in one step")
def test_what_somebody_saves_between_the_last_look_and_the_write_is_kept(tmp_path, saved_at_the_last_moment):
    path = tmp_path / "note.md"
    path.write_bytes(b"as read")
    saved_at_the_last_moment(lambda: save(path, b"status: rejected"))

    with pytest.raises(NoteChanged):
        durable.replace(path, b"the daemon's words", expect=b"as read")

    assert path.read_bytes() == b"status: rejected"
    assert [file.name for file in tmp_path.iterdir()] == ["note.md"]


@pytest.mark.promise("1.4")
@pytest.mark.skipif(sys.platform == "win32", reason="needs two names exchanged in one step")
def test_of_two_saves_in_that_moment_the_last_one_stands(tmp_path, saved_at_the_last_moment):
    path = tmp_path / "note.md"
    path.write_bytes(b"as read")
    saved_at_the_last_moment(lambda: save(path, b"first"), lambda: save(path, b"second"))

    with pytest.raises(NoteChanged):
        durable.replace(path, b"the daemon's words", expect=b"as read")

    assert path.read_bytes() == b"second"


@pytest.mark.promise("1.4")
@pytest.mark.skipif(sys.platform == "win32", reason="needs two names exchanged in one step")
def test_a_note_deleted_in_that_moment_does_not_come_back(tmp_path, saved_at_the_last_moment):
    path = tmp_path / "note.md"
    path.write_bytes(b"as read")
    saved_at_the_last_moment(path.unlink)

    with pytest.raises(NoteChanged):
        durable.replace(path, b"the daemon's words", expect=b"as read")

    assert list(tmp_path.iterdir()) == []


def test_where_names_cannot_be_exchanged_the_note_is_written_all_the_same(tmp_path, monkeypatch):
    path = tmp_path / "note.md"
    path.write_bytes(b"as read")
    monkeypatch.setattr(system, "exchange_files", lambda one, other: False)

    durable.replace(path, b"the daemon's words", expect=b"as read")

    assert path.read_bytes() == b"the daemon's words"
    assert [file.name for file in tmp_path.iterdir()] == ["note.md"]
