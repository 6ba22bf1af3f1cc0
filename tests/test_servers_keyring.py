"""Secrets in the system's keyring: a real backend in a file, none at all, and one that does not answer."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.errors import KeyringLocked
from keyrings.alt.file import PlaintextKeyring

from servers.kit import Project as Servers
from servers.kit import available
from servers.oauth_stub import OAuthStub
from signoff.errors import RequestRefused
from signoff.servers import keyring as module
from signoff.servers.config import load_servers
from signoff.servers.keyring import Keyring, KeyringSilent
from signoff.servers.tokens import Grant, TokenStore
from support.commands import Laid
from support.project import plan

SECRET = "correct horse battery staple"


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[PlaintextKeyring]:
    """A keyring of the system."""
    before, found = keyring.get_keyring(), PlaintextKeyring()
    found.file_path = str(tmp_path / "system" / "keyring.cfg")
    keyring.set_keyring(found)
    yield found
    keyring.set_keyring(before)


@pytest.fixture
def silent() -> Iterator[type[PlaintextKeyring]]:
    """One that is locked, or does not answer."""

    class Silent(PlaintextKeyring):
        seconds = 0.0

        def get_password(self, service: str, username: str) -> str | None:
            time.sleep(self.seconds)
            raise KeyringLocked("the collection is locked")

        def set_password(self, service: str, username: str, password: str) -> None:
            self.get_password(service, username)

    before = keyring.get_keyring()
    keyring.set_keyring(Silent())
    yield Silent
    keyring.set_keyring(before)


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def entry_with(config: Path, value: str) -> Path:
    file = config / "mcp_servers.json"
    file.write_text(json.dumps({"mcpServers": {"a": {"command": "x", "env": {"K": value}}}}))
    return file


@pytest.mark.promise("8")
def test_a_secret_is_kept_in_the_keyring_for_this_project_alone(backend: object, tmp_path: Path) -> None:
    mine, other = Keyring(folder(tmp_path / "a" / "config")), Keyring(folder(tmp_path / "b" / "config"))
    kept = mine.put("TOKEN", SECRET)
    assert kept.in_keyring
    assert "keyring" in kept.where
    assert mine.get("TOKEN") == SECRET
    assert other.get("TOKEN") is None
    assert not list((tmp_path / "a").rglob("keyring.json"))
    assert mine.remove("TOKEN")
    assert not mine.remove("TOKEN")
    assert mine.get("TOKEN") is None


@pytest.mark.promise("8")
def test_a_reference_to_the_keyring_is_replaced_and_its_value_is_known_as_secret(
    backend: PlaintextKeyring, tmp_path: Path
) -> None:
    config = folder(tmp_path / "config")
    kept = Keyring(config)
    kept.put("TOKEN", SECRET)
    backend.set_password("others", "ana", "from elsewhere")
    for value, expanded in {
        "${keyring:TOKEN}": SECRET,
        "Bearer ${keyring:TOKEN}": f"Bearer {SECRET}",
        "${keyring:others/ana}": "from elsewhere",
        "${keyring:NONE:-fallen back}": "fallen back",
    }.items():
        server = load_servers(entry_with(config, value), {}, keyring=kept)["a"]
        assert server.launch.env["K"] == expanded  # type: ignore[union-attr]
        assert server.missing == ()
        assert server.warnings == ()
    assert kept.fetched == {SECRET, "from elsewhere"}
    missing = load_servers(entry_with(config, "${keyring:NONE}"), {}, keyring=kept)["a"]
    assert missing.missing == ("keyring:NONE",)


@pytest.mark.promise("8")
def test_without_a_keyring_it_is_a_file_that_only_its_owner_reads_and_says_so(tmp_path: Path) -> None:
    config = folder(tmp_path / "config")
    kept = Keyring(config).put("TOKEN", SECRET)
    file = config / "secrets" / "keyring.json"
    assert not kept.in_keyring
    assert str(file) in kept.where
    if os.name != "nt":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert Keyring(config).get("TOKEN") == SECRET


def test_a_keyring_that_keeps_secrets_in_clear_is_used_only_where_somebody_chose_it(
    backend: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.backend() is backend
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND")
    assert module.backend() is None


def test_what_moves_into_the_keyring_does_not_stay_in_the_file(backend: object, tmp_path: Path) -> None:
    config = folder(tmp_path / "config")
    kept = Keyring(config)
    assert not kept.put("TOKEN", "old", file=True).in_keyring
    assert kept.get("TOKEN") == "old"
    kept.put("TOKEN", "new")
    assert kept.get("TOKEN") == "new"
    assert "old" not in (config / "secrets" / "keyring.json").read_text()


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_keyring_that_is_locked_or_silent_makes_one_server_unavailable_and_holds_up_nothing(
    silent: type[PlaintextKeyring], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    silent.seconds = seconds  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    config = folder(tmp_path / "config")
    server = load_servers(entry_with(config, "${keyring:TOKEN}"), {}, keyring=Keyring(config))["a"]
    assert server.missing == ("keyring:TOKEN",)
    assert "could not be read from the keyring" in server.warnings[0]
    with pytest.raises(KeyringSilent):
        Keyring(config).put("TOKEN", SECRET)


def test_a_keyring_that_was_silent_once_is_not_waited_for_again(
    silent: type[PlaintextKeyring], tmp_path: Path
) -> None:
    asked = []

    def locked(_self: object, _service: str, name: str) -> None:
        asked.append(name)
        raise KeyringLocked

    silent.get_password = locked  # type: ignore[method-assign, assignment]
    kept = Keyring(tmp_path)
    for name in ("ONE", "TWO", "others/three"):
        with pytest.raises(KeyringSilent):
            kept.get(name)
    assert asked == ["ONE"]


@pytest.mark.parametrize("name", ["", "a b", "x/y", "${A}", "1", "a" * 200])
def test_what_is_no_name_for_a_secret_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestRefused):
        Keyring(tmp_path).put(name, SECRET)


# ---------------------------------------------------------------- as a person uses it


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Laid]:
    laid = Laid(tmp_path / "home")
    system = tmp_path / "system"
    environment = laid.environment() | {
        "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring",
        "XDG_DATA_HOME": str(system),
        "LOCALAPPDATA": str(system),
    }
    laid.environment = lambda: environment  # type: ignore[method-assign]
    yield laid
    laid.close()


@pytest.mark.promise("8")
def test_a_secret_of_the_keyring_reaches_its_server_and_is_shown_nowhere(house: Laid) -> None:
    house.set_servers({"stub": house.stub("--greet") | {"env": {"STUB_GREETING": "${keyring:GREETING}"}}})
    found = house.json("servers")["stub"]
    assert found["reason"] == "missing-variable"
    assert "signoff servers secret GREETING" in found["do"]
    house.start()
    answer = house.signoff("servers", "secret", "GREETING", "--json", input=f"{SECRET}\n")
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    assert said["keyring"] is True
    assert said["reference"] == "${keyring:GREETING}"
    assert "changed stub" in said["daemon"], "a running daemon takes it at once"
    path = house.pending("Plan.md", plan("id: look\naction: stub.look\nwith:\n  text: x\n"))
    house.approve(path)
    done = house.await_note("Plan.md", "Done", "done")
    called = house.signoff("servers", "call", "stub", "look", "--with", "text=x")
    assert called.returncode == 0, called.stderr
    assert "[redacted]" in called.stdout, "it did reach the server, which gives it back"
    diagnosed = house.signoff("servers", "diagnose", "stub")
    house.stop()
    logs = "".join(
        file.read_text(errors="replace")
        for file in house.logs.rglob("*")
        if file.is_file() and "blobs" not in file.parts
    )
    told = answer.stdout + answer.stderr + called.stdout + diagnosed.stdout + done.read_text() + logs
    assert SECRET not in told
    assert SECRET not in (house.config / "mcp_servers.json").read_text()
    assert not (house.config / "secrets" / "keyring.json").exists()


def test_the_command_keeps_forgets_and_refuses(house: Laid) -> None:
    def secret(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return house.signoff("servers", "secret", *arguments, input=text)

    empty = secret("TOKEN")
    assert (empty.returncode, "(nothing-given)" in empty.stderr) == (1, True)
    wrong = secret("no name", text=SECRET)
    assert (wrong.returncode, "(not-a-name)" in wrong.stderr) == (1, True)
    assert "Kept in the keyring" in secret("TOKEN", text=SECRET).stdout
    kept = secret("TOKEN", "--file", text=SECRET).stdout
    assert "which only you can read" in kept
    assert SECRET not in kept
    assert "is forgotten" in secret("TOKEN", "--remove").stdout
    assert "There was no TOKEN" in secret("TOKEN", "--remove").stdout


# ---------------------------------------------------------------- tokens


@pytest.mark.promise("8")
async def test_tokens_are_kept_in_the_keyring_and_renewed_there(backend: object, tmp_path: Path) -> None:
    with OAuthStub() as stub:
        project = Servers(tmp_path).server("web", url=stub.url)
        store = TokenStore(tmp_path / "oauth", Keyring(tmp_path / "config"))
        token_url = f"{stub.base}/token"
        where = store.write("web", stub.url, Grant("too old", "refresh-1", time.time() - 1, token_url, "me"))
        assert "keyring" in where
        async with project.pool(tokens=store) as pool:
            await available(pool, "web")
            assert (await pool.call("web", "record", {"text": "in"}, timeout=10)).text == "ok: in"
        assert [asked["grant_type"] for asked in stub.grants] == ["refresh_token"]
        kept = store.read("web", stub.url)
        assert kept is not None
        assert kept.access in stub.good
        (file,) = (tmp_path / "oauth").iterdir()
        assert kept.access not in file.read_text()
        assert store.forget("web", stub.url)
        assert store.read("web", stub.url) is None
        assert Keyring(tmp_path / "config").get(f"oauth-{file.stem}") is None


def test_a_login_that_the_keyring_will_not_take_is_kept_in_a_file(silent: object, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "oauth", Keyring(tmp_path / "config"))
    assert "only you can read" in store.write("web", "https://x.org", Grant("access"))
    found = store.read("web", "https://x.org")
    assert found is not None
    assert found.access == "access"


def test_who_keeps_nothing_in_a_keyring_does_not_load_one() -> None:
    code = (
        "import sys, pathlib\n"
        "from signoff.servers.config import load_servers\n"
        "from signoff.servers.keyring import Keyring\n"
        "load_servers(pathlib.Path('none'), {}, keyring=Keyring(pathlib.Path('.')))\n"
        "sys.exit('keyring' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
