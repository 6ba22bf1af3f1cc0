from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.errors import ConfigError
from signoff.servers import jsonc
from signoff.servers.config import HttpLaunch, StdioLaunch, load_servers, raw_servers
from signoff.servers.exposed import exposed

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "mcp_configs"


@pytest.fixture
def read(tmp_path):
    def read(text, **environ):
        file = tmp_path / "config" / "mcp_servers.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text if isinstance(text, str) else json.dumps(text, indent=2), encoding="utf-8")
        return load_servers(file, {"HOME": "/home/ana"} | environ, python="/py")

    return read


ENTRY = {"command": "npx", "args": ["-y", "thing"]}


@pytest.mark.promise("8")
@pytest.mark.parametrize(
    "value",
    [
        {"mcpServers": {"a": ENTRY}},
        {"servers": {"a": ENTRY}, "inputs": []},
        {"mcp_servers": {"a": ENTRY}},
        {"mcp": {"servers": {"a": ENTRY}}},
        {"a": ENTRY},
        {"$schema": "x", "a": ENTRY},
        [ENTRY | {"name": "a"}],
        {"servers": [ENTRY | {"name": "a"}]},
        {"mcpServers": {"a": {"command": ["npx", "-y", "thing"]}}},
        {"mcpServers": {"_comment": "words", "a": ENTRY | {"type": "stdio"}}},
    ],
    ids=str,
)
def test_every_form_that_people_have_is_read_as_the_same_server(read, value, tmp_path):
    server = read(value)["a"]
    assert server.launch == StdioLaunch(command="npx", args=("-y", "thing"), env={}, cwd=tmp_path)
    assert server.launch_identity() == {"command": "npx", "args": ["-y", "thing"]}
    assert (server.transport, server.disabled, server.missing) == ("stdio", False, ())


@pytest.mark.promise("8")
def test_comments_and_trailing_commas_are_read_over(read):
    servers = read(
        """{
        // the mail server
        "mcpServers": {
          "mail": {"command": "a", "args": ["//not", "/*a*/", ",]",],}, /* and
          so on */
        },
        }"""
    )
    assert servers["mail"].launch.args == ("//not", "/*a*/", ",]")


@pytest.mark.promise("8")
def test_references_are_replaced_once_and_the_identity_keeps_them_unexpanded(read):
    entry = {
        "command": "${SIGNOFF_PYTHON}",
        "args": ["${A}", "${env:A}", "${NONE:-x y}", "~/f", "${B}"],
        "env": {"K": "${A}", "D": "~/data", "F": True, "N": 5},
        "cwd": "sub",
    }
    server = read({"a": entry}, A="one", B="${A}")["a"]
    assert server.launch.command == "/py"
    assert server.launch.args == ("one", "one", "x y", "/home/ana/f", "${A}")
    assert server.launch.env == {"K": "one", "D": "/home/ana/data", "F": "true", "N": "5"}
    assert server.launch.cwd.name == "sub"
    assert server.launch_identity() == {"command": entry["command"], "args": entry["args"]}


@pytest.mark.promise("8")
def test_a_remote_server_has_its_url_and_headers(read):
    entry = {
        "type": "streamable-http",
        "url": "https://x.org/${P}",
        "headers": {"Authorization": "Bearer ${T}"},
    }
    server = read({"mcpServers": {"web": entry}}, P="mcp", T="secret-token")["web"]
    assert server.launch == HttpLaunch("https://x.org/mcp", {"Authorization": "Bearer secret-token"})
    assert server.launch_identity() == {"url": "https://x.org/${P}"}
    assert server.transport == "http"


@pytest.mark.promise("8")
@pytest.mark.parametrize(
    ("entry", "transport"),
    [
        ({"url": "https://x.org"}, "http"),
        ({"serverUrl": "https://x.org"}, "http"),
        ({"httpUrl": "https://x.org"}, "http"),
        ({"url": "https://x.org", "transport": "sse"}, "sse"),
        ({"url": "https://x.org", "type": "SSE"}, "sse"),
        ({"url": "https://x.org", "transportType": "streamable_http"}, "http"),
        ({"url": "https://x.org", "type": "remote"}, "http"),
        ({"command": "x", "transport": "stdio"}, "stdio"),
        ({"command": "x", "type": "local"}, "stdio"),
    ],
)
def test_how_a_server_is_reached_is_said_in_many_ways(read, entry, transport):
    assert read({"a": entry})["a"].transport == transport


@pytest.mark.promise("8")
def test_a_missing_variable_makes_that_server_unavailable_and_not_the_file_wrong(read):
    entries = {
        "a": {"command": "x", "env": {"K": "${GONE}", "L": "${env:ALSO}"}, "required_env": ["NEEDED"]},
        "b": {"url": "${WHERE}/mcp"},
        "c": {"command": "x", "env": {"K": "${input:key}"}},
        "d": ENTRY,
    }
    servers = read({"mcpServers": entries}, ALSO="")
    assert servers["a"].missing == ("NEEDED", "GONE", "ALSO")
    assert servers["b"].missing == ("WHERE",)
    assert servers["c"].missing == ("KEY",)
    assert servers["d"].missing == ()


@pytest.mark.parametrize(
    ("value", "seconds"), [(30, 30), (0.5, 0.5), (60000, 60), ("45s", 45), ("2m", 120), ("500ms", 0.5)]
)
def test_a_timeout_is_read_in_the_ways_that_people_write_it(read, value, seconds):
    assert read({"a": ENTRY | {"timeout": value}})["a"].timeout == seconds


@pytest.mark.parametrize("entry", [{"disabled": True}, {"enabled": False}])
def test_a_server_can_be_disabled(read, entry):
    assert read({"a": ENTRY | entry})["a"].disabled


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{"mcpServers": {\n "a": {"command": 5}}}', 2, "'command' of the server 'a'"),
        ('{"mcpServers": {\n "a": {\n  "command": "x",\n  "args": "y"}}}', 4, "'args' of the server 'a'"),
        ('{"mcpServers": {"a": {\n "args": []}}}', 1, "neither a command nor a url"),
        ('{"mcpServers": {"a": {"url":\n"ftp://x"}}}', 1, "http:// or https://"),
        ('{"mcpServers": {"a": {"url": "http://x", \n"type": "stdio"}}}', 2, "does not go with its url"),
        ('{"mcpServers": {"a": {"command": "x", \n"type": "carrier pigeon"}}}', 2, "one of stdio, http, sse"),
        ('{"mcpServers": {\n"a": {"command": "x"},\n"a": {"command": "y"}}}', 3, "there twice"),
        ('{"mcpServers": {"a": {"command": "x",\n"timeout": "soon"}}}', 2, "30s or 5m"),
        ('{"mcpServers": {"a": {"command": "x",\n"timeout": -1}}}', 2, "30s or 5m"),
        ('{"mcpServers": {"a": {"command": "x",\n"max_concurrency": 0}}}', 2, "at least 1"),
        ('{"mcpServers": {"a": {"command": "x",\n"disabled": "yes"}}}', 2, "true or false"),
        ('{"mcpServers": {"a": {"command": "x",\n"env": ["A"]}}}', 2, "an object of texts"),
        ('{"mcpServers": {\n"a": 5}}', 2, "must be an object"),
        ('{"mcpServers": {\n "a" {}}}', 2, "not JSON"),
        ('{"mcpServers": 5}', None, "an object or a list"),
        ('"words"', None, "No servers were found"),
        ('[{"command": "x"}]', 1, 'needs a "name"'),
        ('{"mcpServers": {"a": {"command": "x",\n"rate_limit": "often"}}}', 2, "10/m"),
        ('{"mcpServers": {"a": {"command": "x",\n"replicas": 99}}}', 2, "at most 16"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_key(read, text, line, words):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert words in caught.value.message
    assert caught.value.file.endswith("mcp_servers.json")
    assert caught.value.line == line


def test_keys_that_are_not_used_are_named_and_do_no_harm(read):
    assert read({"a": ENTRY | {"zeta": 1}})["a"].warnings == ("line 8: not used: zeta",)
    (warning,) = read({"a": ENTRY | {"disabledTools": []}})["a"].warnings
    assert "policy.yaml" in warning


def test_a_password_in_an_address_is_warned_about(read):
    (warning,) = read({"a": {"url": "https://me:hunter2@x.org"}})["a"].warnings
    assert warning.startswith("line 3: url holds a secret in clear: ")
    assert "A_URL=... into config/.env" in warning
    assert '"${keyring:A_URL}"' in warning
    assert "signoff servers secret A_URL" in warning
    assert "hunter2" not in warning


def test_no_file_means_no_servers_and_neither_does_an_empty_one(tmp_path, read):
    assert load_servers(tmp_path / "config" / "none.json", {}) == {}
    assert read("  \n") == {}


def test_a_file_that_is_not_text_is_told_as_such(tmp_path):
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_servers(tmp_path / "x.json", {})
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf{"a": {"command": "x"}}')
    assert list(load_servers(tmp_path / "bom.json", {})) == ["a"]


@pytest.mark.promise("8")
def test_no_secret_is_in_the_text_form_of_a_configuration(read):
    servers = read(
        {
            "mcpServers": {
                "a": {"command": "x", "args": ["--key=${KEY}"], "env": {"T": "literal-token"}},
                "b": {"url": "https://x.org/?k=${KEY}", "headers": {"Authorization": "Bearer ${KEY}"}},
            }
        },
        KEY="hunter2-hunter2",
    )
    shown = (
        repr(servers) + str(servers) + json.dumps([server.launch_identity() for server in servers.values()])
    )
    assert "hunter2" not in shown
    assert "literal-token" not in shown
    assert servers["a"].scrub("no hunter2-hunter2, no literal-token") == "no ***, no ***"
    assert servers["b"].scrub("GET https://x.org/?k=hunter2-hunter2 x") == "GET *** x"


def test_a_header_that_could_smuggle_another_is_refused(read):
    with pytest.raises(ConfigError, match="control character"):
        read({"a": {"url": "http://x", "headers": {"K": "${V}"}}}, V="a\r\nX: y")


def error_of(function):
    try:
        function()
    except ConfigError as error:
        return error
    return None


texts = st.text(st.characters(codec="utf-8"), max_size=10)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values, st.booleans())
def test_json_without_comments_is_read_as_json_and_keeps_its_places(value, pretty):
    text = json.dumps(value, indent=2 if pretty else None, ensure_ascii=False)
    assert jsonc.strip(text) == text
    assert jsonc.load(text, "f") == value


@given(st.text(alphabet='{}[]",:/*\n \\a1', max_size=60))
def test_any_text_is_either_read_or_an_error_that_names_the_place(text):
    assert len(jsonc.strip(text)) == len(text)
    error = error_of(lambda: jsonc.load(text, "f"))
    assert error is None or (error.file == "f" and error.line is not None)


@given(st.dictionaries(texts, values, max_size=4))
def test_any_json_is_either_servers_or_an_error_for_people(tmp_path_factory, value):
    file = tmp_path_factory.getbasetemp() / "any.json"
    file.write_text(json.dumps(value), encoding="utf-8")
    error = error_of(lambda: load_servers(file, {}, python=sys.executable))
    assert error is None or error.file == str(file)


@pytest.mark.promise("8")
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not part of the project")
def test_every_configuration_found_in_the_wild_is_read_or_told_what_to_change():
    read, refused, secrets = [], [], set()
    for file in sorted(CORPUS.iterdir()):
        try:
            read.append(load_servers(file, {"HOME": "/home/ana"}))
            entries = raw_servers(file)
            found = [each for name in entries for each in exposed(name, entries[name])]
            secrets |= {each.secret for each in found if not each.placeholder}
        except ConfigError as error:
            refused.append((file, error))
    assert all(read)
    assert len(read) >= 98
    for file, error in refused:
        assert error.file == str(file)
        assert error.line is not None, error
        assert error.hint, error
        assert "Expecting" not in error.message, f"{file}: the words of a parser, not of a person"
    for servers in read:
        for server in servers.values():
            for warning in server.warnings:
                assert warning.startswith("line "), warning
                assert not any(secret in warning for secret in secrets)


@pytest.mark.promise("8")
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('config = {\n"mcpServers": {}}', 1, "begin with { or ["),
        ('{"a": {"command": "x"}}\n# and then\npip install', 3, "goes on after its end"),
        ('{"a": {"command": "x"\n"args": []}}', 2, "a comma or a closing bracket"),
        ("{'a': {}}", 1, "double quotes"),
        ('{"a": {"command": "C:\\Users"}}', 1, "single backslash"),
        ('{"a": {"command": "x\ny"}}', 1, "several lines"),
        ('{"a": {"command": }}', 1, "a value is missing"),
    ],
)
def test_what_is_no_json_is_told_in_words_for_people(read, text, line, words):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert words in caught.value.message
    assert (caught.value.line, bool(caught.value.hint)) == (line, True)


def test_the_line_of_an_item_in_a_list_is_found_by_its_name(read):
    entries = [
        ENTRY | {"name": "a"},
        {"command": "x", "env": {"K": "1", "TOKEN": "abc123def456"}, "name": "b"},
    ]
    (warning,) = read({"servers": entries})["b"].warnings
    assert warning.startswith("line 15: env.TOKEN")


@pytest.mark.promise("8")
def test_what_vs_code_would_ask_for_comes_from_the_environment_or_has_its_default(read):
    value = {
        "inputs": [
            {"type": "promptString", "id": "api-key", "password": True},
            {"type": "promptString", "id": "region", "default": "eu"},
        ],
        "servers": {"a": {"command": "x", "env": {"K": "${input:api-key}", "R": "${input:region}"}}},
    }
    assert read(value)["a"].missing == ("API_KEY",)
    known = read(value, API_KEY="key")["a"]
    assert (known.missing, known.launch.env) == ((), {"K": "key", "R": "eu"})


@pytest.mark.promise("8")
@pytest.mark.parametrize(
    ("entry", "line", "reference"),
    [
        ({"command": "x", "env": {"API_KEY": "abc123def456"}}, 5, "${API_KEY}"),
        ({"url": "https://x.org", "headers": {"Authorization": "Bearer abc123def"}}, 5, "Bearer ${A_TOKEN}"),
        ({"command": "x", "args": ["--api-key", "abc123def456"]}, 4, "${A_API_KEY}"),
        ({"command": "x", "args": ["--token=abc123def456"]}, 4, "--token=${A_TOKEN}"),
        ({"command": "x", "args": ["-e", "DB_PASSWORD=abc123def"]}, 4, "DB_PASSWORD=${DB_PASSWORD}"),
        ({"command": "x", "args": ["ghp_" + "a1" * 18]}, 4, "${A_SECRET}"),
        ({"url": "https://x.org/mcp?api_key=abc123def456"}, 3, "${A_URL}"),
        ({"url": "https://x.org", "oauth": {"client_secret": "abc123def"}}, 5, "${A_CLIENT_SECRET}"),
    ],
)
def test_a_secret_in_clear_is_reported_with_its_place_and_how_to_move_it(tmp_path, entry, line, reference):
    file = tmp_path / "config" / "mcp_servers.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"a": entry}, indent=1))
    config = load_servers(file, {})["a"]
    (warning,) = config.warnings
    assert warning.startswith(f"line {line}: ")
    assert reference in warning
    assert "abc123def" not in warning


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "x", "env": {"API_KEY": "${API_KEY}", "DEBUG": "1", "TOKEN_FILE": "/run/token.json"}},
        {"command": "x", "env": {"GOOGLE_CREDENTIALS": "./credentials.json", "EMPTY_TOKEN": ""}},
        {"command": "x", "args": ["--token", "${T}", "--verbose", "monkey"]},
        {"url": "https://x.org/mcp?version=3"},
    ],
)
def test_what_is_no_secret_is_not_called_one(read, entry):
    assert read({"a": entry})["a"].warnings == ()


def test_a_placeholder_is_told_apart_from_a_secret(read):
    entry = {"command": "x", "env": {"API_KEY": "YOUR_API_KEY"}}
    assert "placeholder" in read({"a": entry})["a"].warnings[0]
