"""`signoff servers import`: servers of other applications, without their secrets in clear."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.cli.importing import _file_of
from signoff.cli.unsecret import dotenv_line, without_secrets
from signoff.config.environment import read_dotenv
from signoff.errors import ConfigError, NotFound
from signoff.servers.config import raw_servers
from signoff.servers.exposed import exposed
from signoff.servers.keyring import Keyring
from support.commands import Laid

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "mcp_configs"
TOKEN, OTHER = "ghp_" + "a1B2" * 9, "ghp_" + "c3D4" * 9


@pytest.fixture
def house(tmp_path: Path) -> Laid:
    laid = Laid(tmp_path / "home")
    (laid.config / "mcp_servers.json").write_text(
        '{\n  // mine\n  "mcpServers": {\n    "mine": {"command": "true"}, // keep this\n  }\n}\n'
    )
    return laid


def other(house: Laid) -> Path:
    path = house.root / "claude_desktop_config.json"
    servers = {
        "mine": {"command": "false"},
        "github": {
            "command": "npx",
            "args": ["-y", "server"],
            "env": {"GITHUB_TOKEN": TOKEN, "MODE": "fast"},
        },
        "web": {
            "url": "https://example.com/mcp",
            "headers": {"Authorization": f"Bearer {TOKEN}", "X-Key": "${input:web-key}"},
        },
    }
    path.write_text(json.dumps({"mcpServers": servers}))
    return path


@pytest.mark.promise("8")
def test_what_would_be_added_is_shown_and_nothing_is_written(house: Laid) -> None:
    before = (house.config / "mcp_servers.json").read_bytes()
    found = house.json("servers", "import", str(other(house)))
    assert set(found["add"]) == {"github", "web"}
    assert found["kept"] == ["mine"]
    assert found["written"] is False
    assert found["secrets"] == {"github": ["GITHUB_TOKEN"], "web": ["WEB_TOKEN"]}
    assert found["asked"] == {"web": ["WEB_KEY"]}
    assert found["add"]["github"]["env"] == {"GITHUB_TOKEN": "${GITHUB_TOKEN}", "MODE": "fast"}
    text = house.signoff("servers", "import", str(other(house))).stdout
    assert "--yes" in text
    assert TOKEN not in text + json.dumps(found)
    assert (house.config / "mcp_servers.json").read_bytes() == before
    assert not (house.config / ".env").exists()


@pytest.mark.promise("8")
def test_with_yes_they_are_added_and_the_secrets_kept_apart(house: Laid) -> None:
    (house.config / ".env").write_text("GITHUB_TOKEN=another")
    assert house.json("servers", "import", str(other(house)), "--yes")["written"] is True

    text = (house.config / "mcp_servers.json").read_text()
    assert "// keep this" in text
    assert TOKEN not in text
    variables = read_dotenv(house.config / ".env")
    assert variables["GITHUB_TOKEN"] == "another"
    assert variables["GITHUB_GITHUB_TOKEN"] == TOKEN
    assert variables["WEB_TOKEN"] == TOKEN
    assert '"Authorization": "Bearer ${WEB_TOKEN}"' in text
    if os.name != "nt":
        assert stat.S_IMODE((house.config / ".env").stat().st_mode) == 0o600
    assert list(house.json("servers")) == ["github", "web", "mine"]
    assert house.json("servers", "import", str(other(house)), "--yes")["add"] == {}
    assert (house.config / "mcp_servers.json").read_text() == text


@pytest.mark.parametrize(
    ("application", "place"),
    [
        ("claude-desktop", "Library/Application Support/Claude/claude_desktop_config.json"),
        ("claude-desktop", "AppData/Roaming/Claude/claude_desktop_config.json"),
        ("claude-desktop", ".config/Claude/claude_desktop_config.json"),
        ("cursor", ".cursor/mcp.json"),
        ("vscode", "Library/Application Support/Code/User/mcp.json"),
        ("vscode", "AppData/Roaming/Code/User/mcp.json"),
        ("vscode", ".config/Code/User/mcp.json"),
    ],
)
def test_they_are_found_where_the_application_keeps_them_on_each_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, application: str, place: str
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("APPDATA", str(tmp_path / "AppData" / "Roaming"))
    with pytest.raises(NotFound):
        _file_of(application)
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text("{}")
    assert _file_of(application) == tmp_path / place


def test_an_application_can_be_named_instead_of_its_file(house: Laid, tmp_path: Path) -> None:
    environment = house.environment() | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    environment.pop("APPDATA", None)
    house.environment = lambda: environment  # type: ignore[method-assign]
    assert "(no-such-file)" in house.refused("servers", "import", "--from", "cursor")
    assert "(nothing-named)" in house.refused("servers", "import")
    (tmp_path / ".cursor").mkdir()
    other(house).rename(tmp_path / ".cursor" / "mcp.json")
    assert set(house.json("servers", "import", "--from", "cursor")["add"]) == {"github", "web"}


@pytest.mark.promise("8")
def test_secrets_can_go_to_the_keyring_instead(house: Laid) -> None:
    assert house.json("servers", "import", str(other(house)), "--keyring", "--yes")["written"] is True
    text = (house.config / "mcp_servers.json").read_text()
    assert '"GITHUB_TOKEN": "${keyring:GITHUB_TOKEN}"' in text
    assert '"Authorization": "Bearer ${keyring:WEB_TOKEN}"' in text
    assert TOKEN not in text
    assert not (house.config / ".env").exists()
    assert Keyring(house.config).get("WEB_TOKEN") == TOKEN
    assert house.json("servers")["github"]["warnings"] == []
    assert house.json("servers")["github"]["reason"] != "missing-variable"


@pytest.mark.parametrize("text", ['{"a": {"command": "x"}}', '[{"name": "a", "command": "x"}]'])
def test_a_form_that_cannot_be_added_to_safely_is_left_alone(house: Laid, text: str) -> None:
    (house.config / "mcp_servers.json").write_text(text)
    assert "(form-unknown)" in house.refused("servers", "import", str(other(house)), "--yes")
    assert (house.config / "mcp_servers.json").read_text() == text
    assert not (house.config / ".env").exists()


@pytest.mark.parametrize(
    "text", ["", '{"mcpServers": {}}', '{"servers": {"x": {"command": "y"}}, "inputs": []}']
)
def test_entries_are_added_to_each_known_form(house: Laid, text: str) -> None:
    (house.config / "mcp_servers.json").write_text(text)
    house.json("servers", "import", str(other(house)), "--yes")
    assert {"github", "web"} <= set(house.json("servers"))


@given(
    st.text(
        st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]) | st.sampled_from("'\"\\$#\n\t "),
        min_size=1,
    )
)
def test_a_secret_is_read_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, value: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.env"
    path.write_text(dotenv_line("NAME", value) + "\n", encoding="utf-8")
    assert read_dotenv(path)["NAME"] == value


@pytest.mark.parametrize(
    ("arguments", "written", "secrets"),
    [
        (["--key", TOKEN, "plain"], ["--key", "${S_SECRET}", "plain"], {"S_SECRET": TOKEN}),
        (["--api-key", "abc123"], ["--api-key", "${S_API_KEY}"], {"S_API_KEY": "abc123"}),
        (["--token=abc123"], ["--token=${S_TOKEN}"], {"S_TOKEN": "abc123"}),
        (["-e", "DB_PASSWORD=abc123"], ["-e", "DB_PASSWORD=${DB_PASSWORD}"], {"DB_PASSWORD": "abc123"}),
        (
            [TOKEN, TOKEN[:-1] + "c"],
            ["${S_SECRET}", "${S_S_SECRET}"],
            {"S_SECRET": TOKEN, "S_S_SECRET": TOKEN[:-1] + "c"},
        ),
    ],
)
def test_a_secret_argument_is_taken_out_too(
    arguments: list[str], written: list[str], secrets: dict[str, str]
) -> None:
    opened = without_secrets("s", {"command": "x", "args": arguments}, {})
    assert opened.entry["args"] == written
    assert opened.secrets == secrets


def test_a_placeholder_is_no_secret_and_becomes_something_to_be_set() -> None:
    opened = without_secrets("s", {"command": "x", "env": {"API_KEY": "YOUR_API_KEY"}}, {})
    assert (opened.entry["env"], opened.secrets, opened.asked) == (
        {"API_KEY": "${API_KEY}"},
        {},
        ["API_KEY"],
    )


@pytest.mark.promise("8")
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not part of the project")
@pytest.mark.parametrize("prefix", ["", "keyring:"])
def test_no_configuration_found_in_the_wild_keeps_a_secret_in_clear(tmp_path: Path, prefix: str) -> None:
    for file in sorted(CORPUS.iterdir()):
        try:
            entries = raw_servers(file)
        except ConfigError:
            continue
        for name, entry in entries.items():
            opened = without_secrets(name, entry, {}, prefix=prefix)
            assert exposed(name, opened.entry) == [], file
            text = json.dumps(opened.entry)
            assert not any(secret in text for secret in opened.secrets.values()), file
