"""What differs between systems keeps one meaning."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from signoff import system
from signoff.system.sddl import grants_write_to_others

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
FOLDER = Path(system.__file__).parent


def signatures(module: str) -> dict[str, str]:
    tree = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    return {
        each.name: f"{ast.unparse(each.args)} -> {ast.unparse(each.returns) if each.returns else ''}"
        for each in functions
        if not each.name.startswith("_")
    }


@pytest.mark.promise("1")
def test_the_twins_offer_the_same_functions() -> None:
    assert signatures("posix") == signatures("windows")
    assert sorted(signatures("posix")) == sorted(system.__all__)


@pytest.mark.promise("1")
def test_nothing_else_imports_what_only_one_system_has() -> None:
    special = {"fcntl", "msvcrt", "resource", "grp", "pwd", "winreg"}
    for path in FOLDER.parent.rglob("*.py"):
        if path.parent == FOLDER:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not special & set(names), path


@posix_only
@pytest.mark.promise("8")
def test_ending_a_process_ends_all_that_it_started(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, **system.process_group_options()
    )
    assert process.stdout is not None
    grandchild = psutil.Process(int(process.stdout.readline()))

    system.end_process_tree(process.pid, force=True)

    assert process.wait(10) < 0
    psutil.wait_procs([grandchild], timeout=10)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE
    process.stdout.close()
    system.end_process_tree(process.pid, force=False)  # gone: nothing happens


@pytest.mark.parametrize("pid", [-1, 0, 1])
@posix_only
def test_no_wild_process_id_is_ever_signalled(pid: int) -> None:
    with pytest.raises(ValueError, match="not a child"):
        system.end_process_tree(pid, force=True)


@posix_only
def test_what_is_made_for_the_owner_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "logs" / "audit"
    folder.mkdir(parents=True, mode=0o777)
    folder.chmod(0o777)
    key = folder / "key"
    key.write_bytes(b"")
    key.chmod(0o666)

    assert system.others_can_write(folder)
    assert system.others_can_write(key)
    system.make_owner_only_directory(folder)
    system.owner_only_file(key)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert not system.others_can_write(folder)
    assert not system.others_can_write(key)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root")
def test_a_file_of_another_user_may_be_changed_by_others() -> None:
    with tempfile.NamedTemporaryFile() as file:
        os.chown(file.name, 1234, -1)
        assert system.others_can_write(Path(file.name))


@posix_only
def test_a_group_that_is_not_the_users_own_counts_as_others(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    path.chmod(0o660)
    if os.geteuid() == 0:
        os.chown(path, 0, 1234)
        assert system.others_can_write(path)
    path.chmod(0o640)
    assert not system.others_can_write(path)


def test_the_limit_of_open_files_only_ever_rises() -> None:
    script = "from signoff import system; a = system.raise_file_limit(); print(a, system.raise_file_limit())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, second = map(int, done.stdout.split())
    assert first == second > 0


@pytest.mark.parametrize(
    ("sddl", "open_to_others"),
    [
        ("O:S-1-5-21-1D:PAI(A;;FA;;;S-1-5-21-1)(A;;FA;;;SY)(A;;FA;;;BA)", False),
        ("O:BAD:(A;;FA;;;WD)", True),
        ("O:BAD:AI(A;ID;0x1301bf;;;AU)(A;ID;FA;;;SY)", True),
        ("O:BAD:AI(A;ID;0x1200a9;;;BU)", False),
        ("O:BAD:AI(A;ID;FR;;;BU)(A;OICIIO;GA;;;BU)", False),
        ("O:BAD:AI(D;;FA;;;WD)(A;;FA;;;BA)", False),
        ("O:BAD:(A;;FRFW;;;WD)", True),
        ("O:BA", True),
        ("O:BAD:NO_ACCESS_CONTROL", True),
    ],
)
def test_windows_access_lists_are_read(sddl: str, open_to_others: bool) -> None:
    assert grants_write_to_others(sddl) is open_to_others
