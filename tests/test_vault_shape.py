"""A vault that is there already: its folders are found and proposed, and no note is touched."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.config import load_settings
from signoff.config.folders import Folders
from signoff.config.shape import propose, shape_of
from signoff.init import lay
from support.project import eventually, plan, projects, record


def vault(root: Path, *notes: str) -> Path:
    for note in notes:
        (root / note).parent.mkdir(parents=True, exist_ok=True)
        (root / note).write_text(f"# {note}\n", encoding="utf-8")
    return root


def fingerprint(root: Path) -> dict[str, str]:
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def signoff(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SIGNOFF_")}
    command = [sys.executable, "-m", "signoff", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.promise("3")
@pytest.mark.parametrize(
    ("found", "proposed"),
    [
        ([], Folders()),
        (
            ["Needs_Action", "Pending_Approval", "Approved", "Done", "Rejected", "Logs"],
            Folders(inbox=("Needs_Action",)),
        ),
        (
            ["inbox", "pending-approval", "approved", "done", "rejected"],
            Folders(("inbox",), ("pending-approval",), ("approved",), ("done",), ("failed",), ("rejected",)),
        ),
        (
            ["Plans", "Inbox", "Needs_Action", "To Approve", "Approved", "Archive"],
            Folders(("Inbox", "Needs_Action", "Plans"), ("To Approve",), ("Approved",), ("Archive",)),
        ),
        (
            ["docs", "My_Vault", "My_Vault/Plans", "My_Vault/Approved", "My_Vault/Done", "Archive"],
            Folders(
                ("My_Vault/Plans",),
                ("My_Vault/Pending_Approval",),
                ("My_Vault/Approved",),
                ("My_Vault/Done",),
                ("My_Vault/Failed",),
                ("My_Vault/Rejected",),
            ),
        ),
        (
            ["01 Inbox", "02 Pending", "03 Approved", "04 Done"],
            Folders(("01 Inbox",), ("02 Pending",), ("03 Approved",), ("04 Done",)),
        ),
        (
            ["Plans", "Plans/Rejected", "Plans/Approved", "Pending_Approval", "Approved", "Done"],
            Folders(inbox=("Plans",)),
        ),
    ],
)
def test_the_folders_of_real_vaults_are_recognised(found: list[str], proposed: Folders) -> None:
    assert propose(dict.fromkeys(found, 1)).folders == proposed


def test_done_is_preferred_to_the_archive_and_more_notes_to_fewer() -> None:
    assert propose({"Archive": 90, "Done": 1, "Approved": 1, "approved-x": 2}).folders.done == ("Done",)
    assert propose({"Pending Approval": 1, "pending_approval": 5, "Done": 0}).folders.pending == (
        "pending_approval",
    )


@pytest.mark.promise("3")
@given(
    st.dictionaries(
        st.text(st.sampled_from("aInboxDe_/ -"), min_size=1, max_size=20), st.integers(0, 9), max_size=8
    )
)
def test_any_vault_gets_a_complete_proposal(found: dict[str, int]) -> None:
    shape = propose(found)
    assert {role for role, _ in shape.folders} == {
        "inbox",
        "pending",
        "approved",
        "done",
        "failed",
        "rejected",
    }
    assert shape == propose(found)


def test_links_and_hidden_folders_are_not_followed(tmp_path: Path) -> None:
    vault(tmp_path / "v", "Approved/a.md", ".obsidian/Done/b.md")
    vault(tmp_path / "elsewhere", "x.md")
    (tmp_path / "v" / "Done").symlink_to(tmp_path / "elsewhere")
    shape = shape_of(tmp_path / "v")
    assert shape.notes == {"Approved": 1}
    assert "Done" in shape.missing


@pytest.mark.promise("3")
def test_a_proposal_changes_nothing_and_yes_moves_no_note(tmp_path: Path) -> None:
    root = vault(
        tmp_path / "mine", "Needs_Action/a.md", "pending-approval/b.md", "approved/email/c.md", "Done/d.md"
    )
    before = fingerprint(tmp_path)
    shown = signoff("init", "--existing", "mine", "--json", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    answer = json.loads(shown.stdout)
    assert answer["folders"]["pending"] == "pending-approval"
    assert answer["written"] is False
    assert fingerprint(tmp_path) == before
    for_people = signoff("init", "--existing", "mine", cwd=tmp_path)
    assert for_people.returncode == 0
    assert "--yes" in for_people.stdout
    assert fingerprint(tmp_path) == before

    done = signoff("init", "--existing", "mine", "--yes", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = fingerprint(tmp_path)
    assert {name: after.get(name) for name in before} == before
    written = tomllib.loads((tmp_path / "config" / "signoff.toml").read_text(encoding="utf-8"))
    assert written["vault"]["folders"]["pending"] == "pending-approval"
    settings = load_settings(tmp_path / "config", {})
    assert settings.vault.path == root.resolve()
    assert settings.vault.folders.approved == ("approved",)
    base = (root / "Plans.base").read_text(encoding="utf-8")
    assert 'file.inFolder("pending-approval")' in base
    assert "Pending_Approval" not in base
    assert (root / "Dashboard.md").exists()


@pytest.mark.promise("3")
def test_settings_that_are_there_and_a_place_in_the_vault_are_refused(tmp_path: Path) -> None:
    root = vault(tmp_path / "mine", "Approved/a.md")
    inside = signoff("init", "--existing", ".", "--yes", cwd=root)
    assert inside.returncode == 1
    assert "lies in the vault" in inside.stderr
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "signoff.toml").write_text("# mine\n")
    kept = signoff("init", "--existing", "mine", "--yes", cwd=tmp_path)
    assert kept.returncode == 1
    assert (tmp_path / "config" / "signoff.toml").read_text() == "# mine\n"
    missing = signoff("init", "--existing", "nowhere", cwd=tmp_path)
    assert missing.returncode == 1
    assert "Traceback" not in missing.stderr


# ---------------------------------------------------------------- layouts of real vaults

LAYOUTS = [
    ("Needs_Action", "Plans", "Pending_Approval", "Approved", "Rejected", "Done", "Logs"),
    ("vault/needs-action", "vault/pending-approval/email", "vault/approved", "vault/done", "vault/rejected"),
    ("AI_Employee_Vault/Inbox", "AI_Employee_Vault/Plans/Rejected", "AI_Employee_Vault/Approved", "Skills/x"),
    ("01 Inbox", "02 Pending", "03 Approved/mail", "04 Done/2026"),
    ("inbox", "to approve", "Archive"),
]


@pytest.mark.promise("3")
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout[0])
def test_a_vault_of_any_layout_is_worked_in_as_it_is(tmp_path: Path, layout: tuple[str, ...]) -> None:
    root = vault(tmp_path / "mine", *(f"{folder}/note.md" for folder in layout), "Dashboard.md", "README.md")
    before = fingerprint(root)
    shape = shape_of(root)
    assert fingerprint(tmp_path) == {f"mine/{name}": value for name, value in before.items()}

    _, settings = lay(tmp_path / "desk", existing=(root, shape))

    after = fingerprint(root)
    assert {name: after.get(name) for name in before} == before
    assert settings.vault.folders == shape.folders
    base = (root / "Plans.base").read_text(encoding="utf-8")
    for _, name in shape.folders:
        assert f'file.inFolder("{name}")' in base
        assert (root / name).is_dir()
    assert "Written by Signoff" in (root / "Signoff.md").read_text(
        encoding="utf-8"
    )  # the other one is theirs


@pytest.mark.promise("1.4")
def test_the_daemon_writes_beside_a_dashboard_that_is_a_persons_own(tmp_path: Path) -> None:
    for house in projects(tmp_path):
        project = house()
        (project.vault / "Dashboard.md").write_text("# My day\n")
        project.start()
        project.pending("One.md", plan(record("one")))
        own = project.vault / "Signoff.md"
        eventually(lambda p=own: p.exists() and "One" in p.read_text(), "its own dashboard is there")
        assert (project.vault / "Dashboard.md").read_text() == "# My day\n"


CORPUS = Path(__file__).parents[2] / "shared" / "corpus"


@pytest.mark.promise("3")
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not part of the project")
def test_the_vaults_of_the_corpus_are_recognised_and_not_a_byte_of_them_changes(tmp_path: Path) -> None:
    recognised = 0
    rows = [row.split("\t") for row in (CORPUS / "INDEX.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    for repository in sorted({row[3] for row in rows if row[0].startswith("notes/")}):
        root = tmp_path / repository.replace("/", "_")
        for row in rows:
            if row[3] == repository and row[0].startswith("notes/") and "\\" not in row[4]:
                target = root / row[4]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((CORPUS / row[0]).read_bytes())
        before = fingerprint(root)
        shape = shape_of(root)
        recognised += len(shape.missing) < len(list(shape.folders))
        lay(tmp_path / "desks" / root.name, existing=(root, shape))
        after = fingerprint(root)
        assert {name: after.get(name) for name in before} == before
        names = [name for _, name in shape.folders]
        parents = {name.rpartition("/")[0] for name in names}
        assert len(parents) == 1, names  # one vault, not pieces of several
    assert recognised >= 17  # of 18; the last one has nothing but a handbook
