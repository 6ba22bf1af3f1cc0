"""`signoff init`: what it lays down, and what it leaves alone."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import Laid

FOLDERS = ("Inbox", "Pending_Approval", "Approved", "Done", "Failed", "Rejected", "Templates")


def signoff(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SIGNOFF_")}
    return subprocess.run(
        [sys.executable, "-m", "signoff", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.promise("10")
def test_init_makes_a_project_whose_daemon_and_servers_run_as_they_are(tmp_path: Path) -> None:
    made = signoff("init", "home", "--json", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    answer = json.loads(made.stdout)
    assert answer["kept"] == []
    assert {"config/signoff.toml", "vault/Dashboard.md", "vault/Plans.base", "logs/"} <= set(answer["made"])
    home = tmp_path / "home"
    for folder in FOLDERS:
        assert (home / "vault" / folder).is_dir()
    assert list((home / "vault" / "Templates").glob("*.md"))

    once = signoff("run", "--once", cwd=home)
    assert once.returncode == 0, once.stderr
    shown = json.loads(signoff("status", "--json", cwd=home).stdout)
    samples = {path.name for path in (home / "vault" / "Pending_Approval").iterdir()}
    assert samples
    assert shown["counts"] == {"pending": len(samples)}
    assert list((home / "vault" / "Inbox").iterdir()) == []


@pytest.mark.promise("10")
def test_init_never_overwrites_and_brings_no_sample_back(tmp_path: Path) -> None:
    signoff("init", cwd=tmp_path)
    settings = tmp_path / "config" / "signoff.toml"
    settings.write_text("[approvers.me]\ndefault = true\n")
    key = (tmp_path / "config" / "secrets" / "checkpoint.key").read_bytes()
    base = tmp_path / "vault" / "Plans.base"
    base.unlink()
    for sample in (tmp_path / "vault" / "Inbox").iterdir():
        sample.unlink()

    again = json.loads(signoff("init", "--json", cwd=tmp_path).stdout)

    assert again["made"] == ["vault/Plans.base"]
    assert "config/signoff.toml" in again["kept"]
    assert settings.read_text() == "[approvers.me]\ndefault = true\n"
    assert (tmp_path / "config" / "secrets" / "checkpoint.key").read_bytes() == key
    assert list((tmp_path / "vault" / "Inbox").iterdir()) == []


def test_init_adds_to_a_vault_that_is_there_and_uses_its_folder_names(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "signoff.toml").write_text(
        '[vault]\npath = "../Notes"\n[vault.folders]\ninbox = ["Plans"]\napproved = "approved"\n'
    )
    (tmp_path / "Notes" / "Plans").mkdir(parents=True)
    (tmp_path / "Notes" / "Mine.md").write_text("mine")

    assert signoff("init", cwd=tmp_path).returncode == 0

    assert (tmp_path / "Notes" / "Mine.md").read_text() == "mine"
    assert (tmp_path / "Notes" / "approved").is_dir()
    assert list((tmp_path / "Notes" / "Plans").iterdir()) == []  # it was there: no samples
    assert not (tmp_path / "vault").exists()


def test_init_says_what_is_wrong_with_a_configuration_and_touches_no_vault(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "signoff.toml").write_text("[vault]\npaht = 1\n")
    result = signoff("init", cwd=tmp_path)
    assert result.returncode == 1
    assert "paht" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "vault").exists()


@pytest.mark.skipif(os.name == "nt", reason="permission bits")
@pytest.mark.promise("12")
def test_secrets_configuration_and_logs_are_closed_to_others(tmp_path: Path) -> None:
    house = Laid(tmp_path / "home")
    for path in (house.config / "secrets", house.config, house.logs):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    assert stat.S_IMODE((house.config / "secrets" / "checkpoint.key").stat().st_mode) == 0o600


def test_init_reports_a_file_in_the_way_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    result = signoff("init", "home", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
