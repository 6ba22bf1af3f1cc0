"""Settings, the environment and durations: read strictly, with errors that say where."""

from __future__ import annotations

import contextlib
import getpass
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import signoff
from signoff.config import (
    Folders,
    Settings,
    format_duration,
    load_environment,
    load_settings,
    nearest,
    parse_duration,
    spell_duration,
)
from signoff.config.durations import LONGEST
from signoff.errors import ConfigError
from signoff.model import Method

PROJECT = Path(__file__).parent.parent
SAMPLES = ("signoff.toml", "policy.yaml", "actions.yaml")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    return folder


def load(config: Path, toml: str = "", **environ: str) -> Settings:
    (config / "signoff.toml").write_text(toml, encoding="utf-8")
    return load_settings(config, environ)


def refusal(config: Path, toml: str = "", **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(config, toml, **environ)
    return caught.value


# ---------------------------------------------------------------- the file


@pytest.mark.promise("12")
def test_a_missing_file_gives_the_defaults_of_the_specification(config: Path) -> None:
    settings = load_settings(config, {})
    assert settings.vault.path == config.parent / "vault"
    assert settings.logs == config.parent / "logs"
    assert settings.vault.folders == Folders()
    assert (settings.vault.settle, settings.approval.ttl, settings.approval.code_window) == (0.1, 86400, 600)
    assert (settings.execution.timeout, settings.execution.retries) == (30, 3)
    assert (settings.execution.retry_delay, settings.execution.concurrency) == (2, 8)
    assert settings.execution.per_plan == 8
    assert settings.health.interval == 60


@pytest.mark.promise("12")
def test_the_sample_file_says_exactly_the_defaults(config: Path) -> None:
    sample = load(config, (PROJECT / "config/signoff.toml").read_text(encoding="utf-8"))
    plain = load(config, "")
    assert (sample.vault, sample.logs, sample.approval) == (plain.vault, plain.logs, plain.approval)
    assert (sample.execution, sample.health) == (plain.execution, plain.health)
    assert sample.schedule == plain.schedule
    assert sample.default_approver is not None
    assert sample.default_approver.methods == (Method.EDIT, Method.CODE, Method.SIGNATURE)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_sample_files_and_those_in_the_package_are_the_same(name: str) -> None:
    packaged = Path(signoff.__file__).parent / "data" / "config" / name
    assert packaged.read_bytes() == (PROJECT / "config" / name).read_bytes()


def test_every_setting_can_be_changed_in_the_file(config: Path) -> None:
    settings = load(
        config,
        """
        [vault]
        path = "notes"
        settle = "0ms"
        rescan = "5m"
        [vault.folders]
        inbox = ["Plans", "Needs_Action"]
        approved = "work/approved"
        [logs]
        path = "/var/log/signoff"
        [approval]
        ttl = "7d"
        code_window = "5m"
        [execution]
        timeout = "1m"
        retries = 0
        retry_delay = "500ms"
        concurrency = 1
        [health]
        interval = "5s"
        """,
    )
    assert settings.vault.path == config / "notes"
    assert (settings.vault.settle, settings.vault.rescan) == (0, 300)
    assert settings.vault.folders.inbox == ("Plans", "Needs_Action")
    assert settings.vault.folders.approved == ("work/approved",)
    assert settings.logs == Path("/var/log/signoff").absolute()
    assert settings.approval.ttl == 7 * 86400
    assert (settings.execution.retries, settings.execution.retry_delay) == (0, 0.5)


@pytest.mark.promise("12")
@pytest.mark.parametrize(
    ("toml", "line", "words"),
    [
        ('[vault]\npath = "../vault"\nsetle = "1s"\n', 3, ["vault.setle", "`settle`"]),
        ("[vualt]\n", 1, ["vualt", "`vault`"]),
        ('[vault.folders]\n\ninbx = "In"\n', 3, ["vault.folders.inbx", "`inbox`"]),
        ("[execution]\nretries = true\n", 2, ["execution.retries", "whole number", "true"]),
        ('[execution]\nretries = "3"\n', 2, ["whole number", 'the text "3"']),
        ("[execution]\nconcurrency = 0\n", 2, ["execution.concurrency", "from 1"]),
        ("[execution]\ntimeout = 30\n", 2, ["execution.timeout", "duration"]),
        ('[execution]\ntimeout = "30"\n', 2, ["execution.timeout", "30s"]),
        ('[execution]\ntimeout = "0s"\n', 2, ["too short"]),
        ('[schedule]\nmissed = "skipp"\n', 2, ["schedule.missed", "cannot be", "skip"]),
        ('[health]\ninterval = "a while"\n', 2, ["health.interval", "not a duration"]),
        ("vault = 3\n", 1, ["`vault`", "a table"]),
        ("[approvers]\nana = 1\n", 2, ["approvers.ana", "a table"]),
        ('[approvers.ana]\nmethods = ["edit", "sign"]\n', 2, ["`sign`", "`signature`"]),
        ('[approvers.ana]\nmethods = ["auto"]\n', 2, ["`auto`"]),
        ("[approvers.ana]\nmethods = []\n", 2, ["names nothing"]),
        ("[approvers.ana]\nmethod = 1\n", 2, ["approvers.ana.method", "`methods`"]),
        ('[approvers."a b"]\n', 1, ["a b", "approver's name"]),
        ("[approvers.Ana]\n[approvers.ana]\n", 2, ["upper and lower case"]),
        ("[approvers.a]\ndefault = true\n[approvers.b]\ndefault = true\n", 3, ["`a`", "`b`", "only one"]),
        ("[vault]\npath = \n", 2, ["not valid TOML"]),
        ("[vault]\n[vault]\n", 2, ["not valid TOML"]),
        ('[logs]\npath = ""\n', 2, ["logs.path", "empty"]),
    ],
)
def test_a_wrong_file_is_refused_with_file_line_key_and_what_is_known(
    config: Path, toml: str, line: int, words: list[str]
) -> None:
    error = refusal(config, toml)
    assert error.file == str(config / "signoff.toml")
    assert error.line == line
    assert error.code == "config-invalid"
    for word in words:
        assert word in str(error)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "..",
        "../In",
        "a/../b",
        "/In",
        "C:\\In",
        "a\\b",
        "In:box",
        "what?",
        "CON",
        "nul.txt",
        "com1",
        "a.",
        "a ",
        " a",
        ".hidden",
        "~$a",
        "a//b",
        "a/",
        "In\x01",
        "x" * 201,
        "<a>",
        "a|b",
        "LPT¹",
    ],
)
@pytest.mark.promise("3")
def test_a_folder_name_that_is_not_valid_on_every_platform_is_refused(config: Path, name: str) -> None:
    error = refusal(config, f"[vault.folders]\ninbox = {tomlish(name)}\n")
    assert error.line == 2
    assert "inbox" in str(error)


def tomlish(text: str) -> str:
    return '"' + "".join(f"\\u{ord(c):04x}" for c in text) + '"'


@pytest.mark.parametrize(
    "name", ["Inbox", "Pläne", "要承認", "Needs Action", "a/b/c", "console", "Aux-iliary", "1"]
)
def test_folder_names_in_any_language_are_taken(config: Path, name: str) -> None:
    assert load(config, f'[vault.folders]\ninbox = "{name}"\n').vault.folders.inbox == (name,)


@pytest.mark.parametrize(
    "folders",
    [
        'inbox = "Plans"\ndone = "Plans"',
        'inbox = "Plans"\ndone = "plans"',
        'inbox = "Plans"\ndone = "Plans/Done"',
        'inbox = "approved"',
        'inbox = ["a", "A"]',
        'inbox = "e\\u0301"\ndone = "\\u00e9"',
    ],
)
def test_folders_that_are_one_or_lie_in_one_another_are_refused(config: Path, folders: str) -> None:
    assert "overlap" in str(refusal(config, f"[vault.folders]\n{folders}\n"))


@pytest.mark.promise("6")
def test_a_config_folder_inside_the_vault_is_refused(config: Path) -> None:
    assert "could name approvers" in str(
        refusal(config, '[vault]\npath = ".."\n[logs]\npath = "../../logs"\n')
    )


def test_a_logs_folder_inside_the_vault_is_refused(config: Path) -> None:
    error = refusal(config, '[vault]\npath = "../vault"\n[logs]\npath = "../vault/.logs"\n')
    assert (error.line, "rewrite the record" in str(error)) == (4, True)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_logs_folder_that_a_link_puts_into_the_vault_is_refused(config: Path, tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "logs").symlink_to(tmp_path / "vault" / "deep", target_is_directory=True)
    assert "lies inside the vault" in str(refusal(config))


def test_without_an_approvers_table_the_user_of_the_system_approves(config: Path) -> None:
    approver = load(config).default_approver
    assert approver is not None
    assert approver.name == getpass.getuser()


@pytest.mark.promise("6")
def test_with_an_approvers_table_nobody_else_approves(config: Path) -> None:
    settings = load(config, '[approvers.ana]\nmethods = "code"\n')
    assert list(settings.approvers) == ["ana"]
    assert settings.default_approver is None
    assert settings.approvers["ana"].methods == (Method.CODE,)


def test_a_file_that_is_not_text_is_refused_with_its_line(config: Path) -> None:
    (config / "signoff.toml").write_bytes(b'[vault]\npath = "\xff"\n')
    with pytest.raises(ConfigError, match="not valid UTF-8") as caught:
        load_settings(config, {})
    assert caught.value.line == 2


def test_a_folder_in_the_place_of_the_file_is_refused(config: Path) -> None:
    (config / "signoff.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(config, {})


@given(st.text(max_size=200))
def test_no_text_at_all_makes_the_reader_fail_in_another_way(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    config = tmp_path_factory.mktemp("config")
    with contextlib.suppress(ConfigError):
        assert load(config, text.encode("utf-8", "replace").decode()).vault.folders == Folders()


# ---------------------------------------------------------------- the environment


@pytest.mark.promise("10")
def test_environment_variables_override_the_file(config: Path, tmp_path: Path) -> None:
    settings = load(
        config,
        '[vault]\npath = "elsewhere"\n[execution]\nconcurrency = 2\n',
        SIGNOFF_VAULT_PATH=str(tmp_path / "v"),
        SIGNOFF_VAULT_SETTLE="1s",
        SIGNOFF_VAULT_FOLDERS_INBOX="Plans, Needs_Action",
        SIGNOFF_LOGS_PATH=str(tmp_path / "l"),
        SIGNOFF_EXECUTION_CONCURRENCY="16",
        SIGNOFF_APPROVAL_CODE_WINDOW="5m",
    )
    assert (settings.vault.path, settings.logs) == (tmp_path / "v", tmp_path / "l")
    assert settings.vault.settle == 1
    assert settings.vault.folders.inbox == ("Plans", "Needs_Action")
    assert settings.execution.concurrency == 16
    assert settings.approval.code_window == 300


def test_a_path_in_the_environment_may_start_at_home(config: Path) -> None:
    assert load(config, SIGNOFF_VAULT_PATH="~/notes").vault.path == Path.home() / "notes"
    if sys.platform != "win32":
        assert "no home folder" in str(refusal(config, SIGNOFF_VAULT_PATH="~nobody-of-this-name/notes"))


def test_a_relative_path_in_the_environment_counts_from_the_current_directory(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(config, SIGNOFF_VAULT_PATH="v").vault.path == tmp_path / "v"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SIGNOFF_VAULT_PAHT", "x", ["SIGNOFF_VAULT_PAHT", "SIGNOFF_VAULT_PATH"]),
        ("SIGNOFF_EXECUTION_CONCURRENCY", "many", ["SIGNOFF_EXECUTION_CONCURRENCY", "whole number"]),
        ("SIGNOFF_EXECUTION_TIMEOUT", "30", ["SIGNOFF_EXECUTION_TIMEOUT", "30s"]),
        ("SIGNOFF_VAULT_FOLDERS_DONE", "a,,b", ["SIGNOFF_VAULT_FOLDERS_DONE", "empty"]),
        ("SIGNOFF_VAULT_PATH", "", ["SIGNOFF_VAULT_PATH", "empty"]),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(
    config: Path, name: str, value: str, words: list[str]
) -> None:
    text = str(refusal(config, **{name: value}))
    for word in words:
        assert word in text


def test_the_variables_with_another_meaning_are_let_pass(config: Path) -> None:
    assert load(config, SIGNOFF_CONFIG="x", SIGNOFF_PYTHON="/usr/bin/python3", OTHER="1")


@pytest.mark.promise("8")
def test_the_env_file_lies_under_the_real_environment(config: Path) -> None:
    (config / ".env").write_text(
        "\ufeff# secrets\n\nexport TOKEN=abc#def # the end\nA = 1\nB='it $stays' # so\n"
        'C="two\\nlines \\"x\\""\nEMPTY=\n',
        encoding="utf-8",
    )
    assert load_environment(config, {"A": "2", "HOME": "/h"}) == {
        "TOKEN": "abc#def",
        "A": "2",
        "B": "it $stays",
        "C": 'two\nlines "x"',
        "EMPTY": "",
        "HOME": "/h",
    }


def test_settings_may_stand_in_the_env_file(config: Path) -> None:
    (config / ".env").write_text("SIGNOFF_EXECUTION_RETRIES=7\n", encoding="utf-8")
    assert load(config).execution.retries == 7
    assert load(config, SIGNOFF_EXECUTION_RETRIES="1").execution.retries == 1


@pytest.mark.parametrize("line", ["TOKEN", "=x", "1A=x", "A='open", 'A="open', 'A="x" y', "A B=c"])
def test_a_wrong_line_in_the_env_file_is_refused_without_showing_it(config: Path, line: str) -> None:
    (config / ".env").write_text(
        f"OK=1\n{line}hunter2\n" if line.startswith("A=") else f"OK=1\n{line}\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError) as caught:
        load_environment(config, {})
    assert (caught.value.line, "hunter2" in str(caught.value)) == (2, False)


# ---------------------------------------------------------------- durations and names


@pytest.mark.promise("12")
@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("5m", 300), ("24h", 86400), ("7d", 604800)]
)
def test_durations_are_read_and_written_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    "text", ["", "30", "s", "-5s", "1.5h", "5 minutes", "1h30m", "5M", "٣s", "1e3s", "4000d", "9" * 20 + "s"]
)
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|ten years"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=int(LONGEST * 1000)))
def test_a_duration_written_is_read_back_exactly(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


def test_durations_in_sentences_count_in_words() -> None:
    assert [spell_duration(seconds) for seconds in (1, 60, 4 * 3600, 86400, 2 * 86400)] == [
        "1 second",
        "1 minute",
        "4 hours",
        "24 hours",
        "2 days",
    ]


def test_the_nearest_name_is_named_only_where_one_is_near() -> None:
    assert nearest("concurency", ["timeout", "concurrency"]) == ["concurrency"]
    assert nearest("Time-Out", ["timeout", "concurrency"]) == ["timeout"]
    assert nearest("xyzzy", ["timeout", "concurrency"]) == []
