"""What README.md and CONTRIBUTING.md say is so: commands run, plans check, settings load, the map is true."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from signoff.catalogue import load_catalogue
from signoff.config import load_settings
from signoff.policy import load_policy
from signoff.servers.config import load_servers

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CODE = ROOT / "daemon" / "signoff"

_MARKED = re.compile(
    r"^<!-- (?P<mark>[^\n]+) -->\n(?P<fence>`{3,})\w+\n(?P<text>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL
)


def _marked(kind: str) -> dict[str, str]:
    """The fenced blocks that a comment above marks as `kind` or `kind: NAME`, by name."""
    found = {}
    for match in _MARKED.finditer(README):
        what, _, name = match["mark"].partition(": ")
        if what == kind:
            found[name] = match["text"]
    return found


def _signoff(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "signoff", *arguments],
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        timeout=90,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A project as `signoff init` makes it, without its sample plans."""
    assert _signoff("init", folder=tmp_path).returncode == 0
    for sample in (tmp_path / "vault" / "Inbox").iterdir():
        sample.unlink()
    return tmp_path


@pytest.mark.promise("10")
def test_each_command_of_the_tour_ends_well(tmp_path: Path) -> None:
    folder = tmp_path
    said = {}
    for line in _marked("run")[""].splitlines():
        command, *arguments = shlex.split(line)
        if command == "cd":
            folder = folder / arguments[0]
            continue
        assert command == "signoff"
        done = _signoff(*arguments, folder=folder)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        said[line] = done.stdout
    assert (folder / "vault" / "Done" / "Welcome.md").exists()
    assert "done" in said["signoff show welcome"]


@pytest.mark.promise("4")
@pytest.mark.parametrize("name", _marked("plan"))
def test_each_plan_of_the_readme_passes_check(desk: Path, name: str) -> None:
    (desk / name).write_text(_marked("plan")[name], encoding="utf-8")
    checked = _signoff("check", name, folder=desk)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.promise("1.5")
def test_the_pictures_of_the_note_are_what_a_person_sees(desk: Path) -> None:
    name, text = next(iter(_marked("plan").items()))
    (desk / "vault" / "Inbox" / name).write_text(text, encoding="utf-8")
    _signoff("run", "--once", folder=desk)
    pending = desk / "vault" / "Pending_Approval" / name
    shown = pending.read_text(encoding="utf-8")
    assert set(_marked("shown")[name].splitlines()) - set(shown.splitlines()) == set()

    pending.write_text(shown.replace("status: pending", "status: approved"), encoding="utf-8")
    _signoff("run", "--once", folder=desk)
    done = (desk / "vault" / "Done" / name).read_text(encoding="utf-8")
    assert set(_marked("shown when done")[name].splitlines()) - set(done.splitlines()) == set()
    assert "- Proposal to Mia: <" in (desk / "vault" / "Notes" / "Sent.md").read_text(encoding="utf-8")


@pytest.mark.promise("12")
def test_each_configuration_of_the_readme_is_taken_as_it_stands(tmp_path: Path) -> None:
    files = _marked("config")
    assert set(files) == {"signoff.toml", "mcp_servers.json", "actions.yaml", "policy.yaml"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    assert load_settings(tmp_path, {}).default_approver is not None
    assert set(load_servers(tmp_path / "mcp_servers.json", {"BANK_TOKEN": "x"})) == {"vault", "files", "bank"}
    load_catalogue(tmp_path / "actions.yaml")
    load_policy(tmp_path / "policy.yaml")


@pytest.mark.promise("10")
def test_the_table_of_commands_names_all_and_only_those_there_are(tmp_path: Path) -> None:
    def commands(*above: str) -> set[str]:
        shown = _signoff(*above, "--help", folder=tmp_path).stdout.partition("Commands:")[2]
        return set(re.findall(r"^  ([a-z]+)(?: |$)", shown, re.MULTILINE))

    rows = dict(re.findall(r"^\| `signoff ([a-z]+)([^`]*)` \|", README, re.MULTILINE))
    assert set(rows) == commands()
    for group in ("servers", "approvers", "audit", "policy"):
        assert set(re.findall(r"[a-z]+", rows[group])) == commands(group)


@pytest.mark.promise("1.5")
def test_what_the_readme_says_is_not_done_yet_is_refused_before_approval(desk: Path) -> None:
    step = "{action: append_note, for_each: [a], with: {path: A.md, content: a}, undo: {action: list_notes}}"
    (desk / "Later.md").write_text(f"---\nsteps:\n  - {step}\n---\n", encoding="utf-8")
    checked = _signoff("check", "Later.md", "--json", folder=desk)
    said = "`undo` on a step with `for_each` is refused" in README
    assert ("not-supported" in checked.stdout) == said, f"Is it done by now? {checked.stdout}"


def test_the_two_commands_are_at_the_top_and_make_knows_them() -> None:
    top = README[: README.index("\n## ")]
    assert re.findall(r"^make (\w+)", top, re.MULTILINE) == ["run", "test"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in ("run", "test"))


def test_links_in_the_documents_lead_somewhere() -> None:
    for text in (README, CONTRIBUTING, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")):
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / target).exists(), target


def test_the_map_of_the_code_names_every_module_and_no_other() -> None:
    modules = {path.stem for path in CODE.glob("*.py") if not path.stem.startswith("__")}
    folders = {f"{path.parent.name}/" for path in CODE.glob("*/__init__.py")}
    mapped = re.findall(r"^\| ((?:`[a-z_/]+`(?:, )?)+) \|", CONTRIBUTING, re.MULTILINE)
    named = re.findall(r"`([a-z_/]+)`", " ".join(mapped))
    assert sorted(named) == sorted(modules | folders)
