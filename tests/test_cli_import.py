"""`signoff servers import`: servers of other applications, without their secrets in clear."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.cli.unsecret import dotenv_line, without_secrets
from signoff.config.environment import read_dotenv
from support.commands import Laid

TOKEN = "ghp_" + "a1B2" * 9


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
    assert found["secrets"] == {"github": ["GITHUB_TOKEN"], "web": ["WEB_AUTHORIZATION"]}
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
    assert variables["WEB_AUTHORIZATION"] == f"Bearer {TOKEN}"
    if os.name != "nt":
        assert stat.S_IMODE((house.config / ".env").stat().st_mode) == 0o600
    assert list(house.json("servers")) == ["github", "web", "mine"]
    assert house.json("servers", "import", str(other(house)), "--yes")["add"] == {}
    assert (house.config / "mcp_servers.json").read_text() == text


def test_they_are_found_where_the_application_keeps_them(house: Laid, tmp_path: Path) -> None:
    environment = house.environment() | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    environment.pop("APPDATA", None)
    house.environment = lambda: environment  # type: ignore[method-assign]
    assert "(no-such-file)" in house.refused("servers", "import", "--from", "cursor")
    assert "(nothing-named)" in house.refused("servers", "import")
    (tmp_path / ".cursor").mkdir()
    other(house).rename(tmp_path / ".cursor" / "mcp.json")
    assert set(house.json("servers", "import", "--from", "cursor")["add"]) == {"github", "web"}


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


def test_a_secret_argument_is_taken_out_too() -> None:
    opened = without_secrets("s", {"command": "x", "args": ["--key", TOKEN, "plain"]}, {})
    assert opened.entry["args"] == ["--key", "${S_ARGUMENT_2}", "plain"]
    assert opened.secrets == {"S_ARGUMENT_2": TOKEN}
