"""The notes that `signoff init` puts into a new vault."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import signoff

DATA = Path(signoff.__file__).parent / "data" / "vault"
REPOSITORY = Path(__file__).parent.parent / "vault"
NOTES = sorted(DATA.rglob("*.md"))
ACTIONS = {
    "send_email": {"to", "subject", "body"},
    "write_note": {"path", "content"},
    "append_note": {"path", "content"},
    "replace_note": {"path", "content"},
    "read_note": {"path"},
    "search_notes": {"query"},
}
ELSEWHERE = {"create_invoice", "post_linkedin", "send_slack_message"}
"""Actions of the catalogue whose servers do not come with the program."""


def files(root: Path) -> dict[str, bytes]:
    kept = [root / "Plans.base", *(root / "Templates").rglob("*"), *(root / "Inbox").rglob("*")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in kept if path.is_file()}


@pytest.mark.skipif(not REPOSITORY.is_dir(), reason="only in the repository")
def test_the_repository_holds_the_same_vault_as_the_package() -> None:
    assert files(DATA) == files(REPOSITORY)
    assert len(files(DATA)) == len(NOTES) + 1


def properties(note: Path) -> dict[str, object]:
    text = note.read_text(encoding="utf-8")
    return yaml.safe_load(text.split("---\n")[1])


def actions(note: Path) -> list[dict[str, object]]:
    fences = re.findall(r"```yaml\n(.*?)```", note.read_text(encoding="utf-8"), flags=re.DOTALL)
    indented = [yaml.safe_load(re.sub(r"(?m)^   ", "", fence)) for fence in fences]
    short = properties(note)
    return indented or [{key: short[key] for key in ("action", "with")}]


@pytest.mark.promise("4")
@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.stem)
def test_each_sample_asks_for_an_embedded_action_with_just_its_arguments(note: Path) -> None:
    for step in actions(note):
        if step["action"] not in ELSEWHERE:
            assert set(step["with"]) == ACTIONS[step["action"]]


@pytest.mark.parametrize("note", sorted((DATA / "Templates").glob("*.md")), ids=lambda note: note.stem)
def test_each_template_says_what_to_fill_in(note: Path) -> None:
    assert "replace everything in angle brackets" in note.read_text(encoding="utf-8").replace("\n", " ")
    assert "<" in str(properties(note)["title"])
    assert all("<" in str(step["with"]) for step in actions(note))


@pytest.mark.parametrize("note", sorted((DATA / "Inbox").glob("*.md")), ids=lambda note: note.stem)
def test_no_sample_plan_is_approved_or_holds_a_placeholder(note: Path) -> None:
    assert not {"status", "approved", "approved_by"} & set(properties(note))
    assert all("<" not in str(step["with"]) for step in actions(note))


def test_the_bases_view_is_valid_and_covers_every_folder_of_plans() -> None:
    base = yaml.safe_load((DATA / "Plans.base").read_text(encoding="utf-8"))
    assert set(base) == {"filters", "properties", "views"}
    folders = base["filters"]["and"][1]["or"]
    assert folders == [
        f'file.inFolder("{name}")'
        for name in ("Inbox", "Pending_Approval", "Approved", "Done", "Failed", "Rejected")
    ]
    assert all(key.startswith(("note.", "file.")) for key in base["properties"])
    for view in base["views"]:
        assert view["type"] == "table"
        assert {"name", "order"} <= set(view)
        assert len(view.get("filters", {"and": []})) == 1
