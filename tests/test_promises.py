"""No promise without a test, and no marker without a promise."""

from __future__ import annotations

import ast
import os
import tomllib
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PROMISES = set(tomllib.loads((TESTS / "promises.toml").read_text(encoding="utf-8"))["promises"])


def _markers(path: Path) -> list[tuple[str, str]]:
    """The promises that a file's tests are marked with, and where."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.promise"):
            continue
        (section,) = (ast.literal_eval(argument) for argument in node.args)
        found.append((section, f"{path.relative_to(TESTS)}:{node.lineno}"))
    return found


def _all_markers() -> list[tuple[str, str]]:
    return [marker for path in sorted(TESTS.rglob("test_*.py")) for marker in _markers(path)]


def test_every_promise_has_a_test_that_names_it() -> None:
    assert PROMISES - {section for section, _ in _all_markers()} == set()


def test_every_marker_names_a_promise() -> None:
    assert [place for section, place in _all_markers() if section not in PROMISES] == []


@pytest.mark.promise("1.4")
def test_tests_cannot_reach_a_persons_vault_keys_or_settings(nobodys_home: Path) -> None:
    assert Path.home() == nobodys_home
    assert Path("~/.ssh").expanduser().parent == nobodys_home
    folders = [value for name, value in os.environ.items() if name.startswith("XDG_")]
    assert folders
    assert all(Path(folder).is_relative_to(nobodys_home) for folder in folders)
    personal = ("SIGNOFF_", "SMTP_", "MAIL_", "SSH_AUTH_SOCK")
    assert [name for name in os.environ if name.startswith(personal)] == []
