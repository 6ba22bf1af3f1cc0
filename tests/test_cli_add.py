"""`signoff servers add`: servers that are known, with what they need and what they can do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from signoff.catalogue import load_catalogue
from signoff.cli.adding import _as_yaml
from signoff.errors import NotFound, RequestRefused
from signoff.servers.config import load_servers
from signoff.servers.known import known_server, known_servers
from support.commands import Laid

ASKED_FOR = {
    *(
        "mail",
        "calendar",
        "files",
        "memory",
        "git",
        "fetch",
        "time",
        "browser",
        "postgres",
        "gmail",
        "linkedin",
    ),
    *(
        "whatsapp",
        "slack",
        "odoo",
        "sonarr",
        "radarr",
        "sabnzbd",
        "plex",
        "elevenlabs",
        "perplexity",
        "context7",
    ),
    *("openai", "groq", "llama"),
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Laid]:
    laid = Laid(tmp_path / "home")
    yield laid
    laid.close()


def test_every_server_that_people_ask_for_is_known() -> None:
    assert set(known_servers()) == ASKED_FOR


@pytest.mark.promise("8")
@pytest.mark.parametrize("name", sorted(ASKED_FOR))
def test_every_known_server_is_a_server_once_its_variables_are_set(name: str, tmp_path: Path) -> None:
    known = known_server(name)
    entry = known.filled({asked: f"/somewhere/{asked}" for asked in known.asked})
    file = tmp_path / "config" / "mcp_servers.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"mcpServers": {name: entry}}))
    without = load_servers(file, {})[name]
    assert set(without.missing) == set(known.env), "what it needs is what it says that it needs"
    assert without.warnings == ()
    config = load_servers(file, dict.fromkeys(known.env, "https://example.org/x"))[name]
    assert config.missing == ()
    assert "{" not in json.dumps(
        config.launch_identity()["args"] if "args" in config.identity else ""
    ).replace("${", "")


@pytest.mark.parametrize("name", sorted(ASKED_FOR))
def test_the_actions_of_every_known_server_are_right_for_the_catalogue(name: str, tmp_path: Path) -> None:
    file = tmp_path / "actions.yaml"
    known = known_server(name)
    file.write_text("\n".join(_as_yaml(name, action) for action in known.actions))
    catalogue = load_catalogue(file)
    for action in known.actions:
        found = catalogue.find(action.name)
        assert found is not None
        assert [tool.name for tool in found.tools] == [f"{name}.{action.tool}"]
        assert found.repeatable is action.repeatable
        assert set(found.tools[0].names) <= set(action.arguments)


@pytest.mark.parametrize("name", sorted(ASKED_FOR))
def test_what_was_checked_is_what_runs_and_what_was_not_is_said_to_be_unverified(name: str) -> None:
    known = known_server(name)
    if known.checked == "no":
        assert "Unverified" in known.vouched()
        assert not known.actions, "what nobody has seen has no tools to promise"
        return
    started = " ".join(map(str, known.entry.get("args", [])))
    assert known.version in known.vouched()
    assert known.checked == "source" or name == "mail" or known.version.partition(",")[0] in started
    assert known.actions


def test_what_an_entry_asks_for_must_be_given_and_nothing_else() -> None:
    with pytest.raises(RequestRefused) as caught:
        known_server("files").filled({})
    assert "--set folder=..." in caught.value.hint
    with pytest.raises(RequestRefused):
        known_server("time").filled({"folder": "x"})
    with pytest.raises(NotFound) as unknown:
        known_server("gmial")
    assert "gmail" in unknown.value.hint


@pytest.mark.promise("10")
def test_adding_shows_first_and_writes_only_when_told(house: Laid) -> None:
    before = (house.config / "mcp_servers.json").read_bytes()
    shown = house.json("servers", "add", "sonarr")
    assert shown["written"] is False
    assert (shown["checked"], shown["how"], shown["version"]) == (True, "started", "1.7.0")
    assert shown["missing"] == ["SONARR_URL", "SONARR_API_KEY"]
    assert shown["actions"]["search_series"]["tool"] == "sonarr.search-series"
    assert (house.config / "mcp_servers.json").read_bytes() == before
    assert "Nothing was written" in house.signoff("servers", "add", "sonarr").stdout

    assert house.json("servers", "add", "sonarr", "--yes")["written"] is True
    found = house.json("servers")
    assert set(found) == {"stub", "sonarr"}
    assert found["sonarr"]["reason"] == "missing-variable"
    assert load_catalogue(house.config / "actions.yaml").find("search_series") is not None
    assert "(name-taken)" in house.refused("servers", "add", "sonarr", "--yes")
    house.json("servers", "add", "sonarr", "--as", "other", "--yes")
    assert set(house.json("servers")) == {"stub", "sonarr", "other"}
    text = house.signoff("servers", "add", "sonarr", "--as", "third").stdout
    assert "search_series is there already" in text
    assert "- tool: third.search-series" in text


def test_the_known_servers_are_listed(house: Laid) -> None:
    assert house.json("servers", "add", "openai")["checked"] is False
    assert "Unverified" in house.signoff("servers", "add", "openai").stdout
    assert "was started by who wrote this list" in house.signoff("servers", "add", "time").stdout
    assert set(house.json("servers", "add")) == ASKED_FOR
    assert "(unknown-server)" in house.refused("servers", "add", "nobody")
    assert "(more-needed)" in house.refused("servers", "add", "files")
