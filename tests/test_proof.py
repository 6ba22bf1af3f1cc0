"""What the log proves afterwards, with a real run, real signatures and logs that lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signoff.errors import LedgerError
from signoff.ledger.blobs import BlobStore
from signoff.proof import prove
from support.project import Project, plan, projects, record
from test_strong_approval import SIGNED, enrol_key


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def findings(house: Project, entries: list, blob: Callable[[str], bytes] | None = None) -> list:
    blob = blob or BlobStore(house.logs / "blobs").get
    return list(prove(entries, blob, house.config / "allowed_signers"))


def wrong(house: Project, entries: list) -> list[str]:
    return [found.words for found in findings(house, entries) if found.kind == "wrong"]


@pytest.mark.promise("9")
def test_the_log_of_a_run_proves_each_approval_and_call_and_a_log_that_lies_does_not(
    project: Callable[..., Project],
) -> None:
    house = project()
    key = enrol_key(house, "ana")
    house.policy(SIGNED)
    house.start()
    house.pending("Signed.md", plan(record("one"), record("two")))
    name = house.entries("frozen")[0].plan
    assert house.signoff("approve", name, "--sign", str(key)).returncode == 0
    house.await_note("Signed.md", "Done", "status: done")
    assert house.stop() == 0

    verified = house.signoff("audit", "verify", "--evidence", "--json")
    assert verified.returncode == 0, verified.stderr
    report = json.loads(verified.stdout)
    assert [found["kind"] for found in report["evidence"]] == ["ok"] * 4
    shown = house.signoff("audit", "show", name)
    assert "the signature verifies" in shown.stdout
    assert "exactly the approved arguments" in shown.stdout

    entries = house.entries()
    assert wrong(house, entries) == []
    approved = next(entry for entry in entries if entry.event == "approved")
    intent = next(entry for entry in entries if entry.event == "intent")

    without = [entry for entry in entries if entry is not approved]
    assert "without a complete approval" in wrong(house, without)[0]
    other = intent._replace(data={**intent.data, "sha256": "0" * 64})
    assert "other arguments" in wrong(house, [other if e is intent else e for e in entries])[0]
    tool = intent._replace(tool="wipe")
    assert "no call of step" in wrong(house, [tool if e is intent else e for e in entries])[0]
    late = intent._replace(time="2999-01-01T00:00:00.000Z")
    assert "after the approval had ended" in wrong(house, [late if e is intent else e for e in entries])[0]
    stranger = approved._replace(approver="bob")
    assert "not bob's" in wrong(house, [stranger if e is approved else e for e in entries])[0]
    said = approved._replace(
        data={**approved.data, "statement": approved.data["statement"].replace("p", "q")}
    )
    assert "does not verify" in wrong(house, [said if e is approved else e for e in entries])[0]

    def gone(_: str) -> bytes:
        raise LedgerError("gone", code="blob-missing")

    assert {found.kind for found in findings(house, entries, gone)} == {"gone", "ok"}
