"""Real servers of others, written in another language: plans over them end as their notes say.

They are installed by npm, at the versions of `tests/npm/package-lock.json`, where node and npm are there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import OUTSIDE
from signoff.ledger.verify import verify
from support.project import Project, plan, projects

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

WANTED = Path(__file__).parent / "npm"
INSTALLED = WANTED / "node_modules"


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder of the installed packages; skips where they cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed: the servers of npm are not tested")
    version = hashlib.sha256((WANTED / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = INSTALLED / version
    if not folder.is_dir():
        _install(npm, folder)
    return folder / "node_modules" / "@modelcontextprotocol"


def _install(npm: str, folder: Path) -> None:
    """Into a folder aside, which then takes its name: another worker may be doing the same."""
    aside = folder.with_name(f".{folder.name}-{os.getpid()}")
    aside.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(WANTED / name, aside)
    command = [npm, "ci", "--prefix", str(aside), "--no-audit", "--no-fund", "--ignore-scripts"]
    # With the environment of the person who runs the tests: it says how npm gets out.
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=OUTSIDE, check=False)
    if done.returncode:
        shutil.rmtree(aside, ignore_errors=True)
        errors = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        word = f"npm could not install the servers: {'; '.join(errors[:3])}"
        if "CI" in OUTSIDE:
            pytest.fail(word)
        pytest.skip(word)
    try:
        aside.rename(folder)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        assert folder.is_dir()


def _node(packages: Path, package: str, *arguments: str) -> dict[str, Any]:
    return {
        "command": shutil.which("node"),
        "args": [str(packages / package / "dist" / "index.js"), *arguments],
    }


def _embedded(module: str, vault: Path) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-m", f"signoff.embedded.{module}", "--vault", str(vault)]}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


@pytest.fixture
def house(project: Callable[..., Project], packages: Path, tmp_path: Path) -> Project:
    """The embedded servers, and the file system's, which may write in `shared`."""
    shared, vault = tmp_path / "shared", tmp_path / "project0" / "vault"
    shared.mkdir()
    return project(
        servers={
            "files": _node(packages, "server-filesystem", str(shared)),
            "vault": _embedded("vault", vault),
            "mail": _embedded("mail", vault),
        }
    )


def _step(identifier: str, action: str, **arguments: str | int) -> str:
    given = "".join(f"  {name}: {json.dumps(value)}\n" for name, value in arguments.items())
    return f"id: {identifier}\naction: {action}\nwith:\n{given}"


@pytest.mark.promise("3")
@pytest.mark.promise("7")
@pytest.mark.promise("9")
def test_a_plan_of_three_steps_over_two_servers_is_found_done_with_its_files(
    house: Project, tmp_path: Path
) -> None:
    report = tmp_path / "shared" / "report.txt"
    steps = (
        _step("write", "files.write_file", path=str(report), content="42 boxes"),
        _step("read", "files.read_text_file", path=str(report)),
        _step(
            "note", "vault.append_note", path="Stock.md", content="Counted: ${{ steps.read.result.content }}"
        ),
    )
    # The file server says that it overwrites, which is high risk; its owner says that it may, in this folder.
    house.policy("rules:\n  - match: {server: files, tool: write_file}\n    risk: medium\n")
    house.start()
    note = house.pending("Stock.md", plan(*steps))
    assert not report.exists()

    house.approve(note)
    done = house.await_note("Stock.md", "Done", "status: done")

    assert report.read_text() == "42 boxes"
    assert "Counted: 42 boxes" in (house.vault / "Notes" / "Stock.md").read_text()
    assert house.front(done)["progress"] == "3/3"
    assert [(entry.server, entry.tool) for entry in house.entries("intent")] == [
        ("files", "write_file"),
        ("files", "read_text_file"),
        ("vault", "append_note"),
    ]
    assert house.stop() == 0
    assert verify(house.logs / "audit", public_key=None).exit_code == 0


@pytest.mark.promise("7")
def test_a_file_server_that_refuses_a_path_stops_the_plan_before_the_next_step(
    house: Project, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.txt"
    house.policy("rules:\n  - match: {server: files, tool: write_file}\n    risk: medium\n")
    house.start()
    note = house.pending(
        "Out.md",
        plan(
            _step("write", "files.write_file", path=str(outside), content="no"),
            _step("note", "vault.append_note", path="Out.md", content="Written."),
        ),
    )
    house.approve(note)

    failed = house.await_note("Out.md", "Failed", "status: failed")

    assert not outside.exists()
    assert not (house.vault / "Notes" / "Out.md").exists()
    assert "outside allowed directories" in failed.read_text()


@pytest.mark.promise("6")
def test_a_tool_that_declares_itself_destructive_needs_more_than_an_edit(
    house: Project, tmp_path: Path
) -> None:
    target = tmp_path / "shared" / "report.txt"
    house.start()
    note = house.pending("Risky.md", plan(_step("write", "files.write_file", path=str(target), content="x")))
    assert house.front(note)["risk"] == "high"

    house.approve(note)

    house.await_entry("refused", reason="method-insufficient")
    assert not target.exists()
    assert house.entries("intent") == []


@pytest.mark.promise("8")
def test_values_flow_between_the_tools_of_server_everything(
    project: Callable[..., Project], packages: Path
) -> None:
    house = project(servers={"everything": _node(packages, "server-everything", "stdio")}).start()
    note = house.pending(
        "Sum.md",
        plan(
            _step("sum", "everything.get-sum", a=19, b=23),
            _step("say", "everything.echo", message="${{ steps.sum.result.text }}"),
        ),
    )
    house.approve(note)

    done = house.await_note("Sum.md", "Done", "status: done")

    assert "Echo: The sum of 19 and 23 is 42." in done.read_text()
