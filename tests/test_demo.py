"""The demo: what it tells is what happened, on a terminal or not, and nothing of it stays behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from signoff.ledger.verify import verify

STAGES = (
    "An agent drops a note",
    "writes what it would do",
    "You approve",
    "Signoff makes these calls",
    "The note is in Done",
    "The audit log is verified",
)


def _demo(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "signoff", "demo", *arguments],
        capture_output=True,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), **environment},
        timeout=90,
        check=False,
    )


@pytest.mark.promise("10")
def test_the_demo_shows_each_stage_in_order_and_leaves_nothing_behind(tmp_path: Path) -> None:
    played = _demo(folder=tmp_path)
    told = played.stdout.decode()

    assert played.returncode == 0, told
    assert played.stderr == b""
    places = [told.index(stage) for stage in STAGES]
    assert places == sorted(places)
    assert "waiting for your approval" in told
    assert re.search(r"CALL +\S+ thanks mail\.send_email", told)
    assert re.search(r"CALL +\S+ step-2 vault\.write_note", told)
    assert "status: done" in told
    assert re.search(r"ok: \d+ entries", told)
    assert "tampered: " in told
    assert "\x1b" not in told, "no colour where there is no terminal"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.promise("10")
def test_the_demo_leaves_what_it_played_where_asked_and_it_verifies(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    assert _demo("--keep", str(kept), folder=tmp_path, PYTHONIOENCODING="ascii").returncode == 0

    assert "status: done" in (kept / "vault" / "Done" / "Thank Mia.md").read_text(encoding="utf-8")
    assert verify(kept / "logs" / "audit", public_key=None).exit_code == 0


@pytest.mark.promise("1.4")
def test_the_demo_does_not_touch_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("mine")

    refused = _demo("--keep", str(tmp_path), folder=tmp_path)

    assert refused.returncode == 1
    assert b"is not empty. Nothing was done" in refused.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["mine.md"]


@pytest.mark.promise("10")
def test_the_demo_ends_with_1_where_a_stage_is_not_seen(tmp_path: Path) -> None:
    """Without a place for its folder nothing can be shown, and that is said in a line."""
    missing = tmp_path / "file"
    missing.write_text("")
    failed = _demo("--keep", str(missing / "below"), folder=tmp_path)

    assert failed.returncode == 1
    assert failed.stdout.startswith(b"The demo stops here: ")
    assert b"Traceback" not in failed.stdout + failed.stderr
