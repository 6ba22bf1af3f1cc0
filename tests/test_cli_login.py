"""`signoff servers login`: a person, a browser, an authorisation server; and a daemon that runs meanwhile."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.oauth_stub import OAuthStub
from support.commands import Laid
from support.project import eventually, plan


@pytest.fixture
def stub() -> Iterator[OAuthStub]:
    with OAuthStub() as stub:
        yield stub


@pytest.fixture
def house(tmp_path: Path, stub: OAuthStub) -> Iterator[Laid]:
    laid = Laid(tmp_path / "home")
    laid.set_servers({"web": {"url": stub.url}, "stub": laid.stub()})
    program = tmp_path / "browser.py"
    program.write_text("import sys, urllib.request\nurllib.request.urlopen(sys.argv[1], timeout=10).read()\n")
    environment = laid.environment() | {
        "BROWSER": f"{sys.executable} {program} %s",
        "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring",
        "XDG_DATA_HOME": str(tmp_path / "system"),
    }
    laid.environment = lambda: environment  # type: ignore[method-assign]
    yield laid
    laid.close()


@pytest.mark.promise("8")
@pytest.mark.skipif(sys.platform == "win32", reason="the browser is named by BROWSER")
def test_a_login_lets_the_running_daemon_in_and_is_shown_nowhere(house: Laid, stub: OAuthStub) -> None:
    house.start()
    eventually(lambda: house.json("servers")["web"]["reason"] == "authentication", "it is not let in")
    said = house.signoff("servers", "login", "web")
    assert said.returncode == 0, said.stderr
    assert "Logged in at web. What lets us in is kept in the keyring" in said.stdout
    assert "being restarted" in said.stdout
    path = house.pending("Plan.md", plan("action: web.record\nwith:\n  text: who is access-token-number-1\n"))
    house.approve(path)
    house.await_note("Plan.md", "Done")
    (token,) = stub.good
    (file,) = (house.config / "secrets" / "oauth").iterdir()
    assert json.loads(file.read_text()) == {"kept": "in the keyring"}
    logs = "".join(each.read_text(errors="replace") for each in house.logs.rglob("*.log"))
    ledger = "".join(each.read_text() for each in (house.logs / "audit").glob("*.jsonl"))
    assert stub.calls[0]["arguments"]["text"].endswith(token), "the server gives the token back"
    for entry in house.entries("outcome"):
        assert token not in json.dumps(entry.data)
    assert token not in said.stdout + said.stderr + logs
    assert "refresh-1" not in logs + ledger
    assert "Logged out." in house.signoff("servers", "logout", "web").stdout
    assert not file.exists()


def test_a_login_can_be_kept_in_a_file(house: Laid) -> None:
    said = house.json("servers", "login", "web", "--file")
    assert "which only you can read" in said["message"]
    assert "(not-remote)" in house.refused("servers", "login", "stub")
