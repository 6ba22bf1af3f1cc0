"""The logs for reading tell what was called; secrets are nowhere but in the blobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.project import Project, plan, projects

IN_POLICY = "GB29NWBK60161331926819"
IN_ENVIRONMENT = "hunter2-correct-horse"
BEARER = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def holding(folder: Path, secret: str) -> list[str]:
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and secret.encode() in path.read_bytes()
    ]


@pytest.mark.promise("9")
def test_every_call_is_told_in_plain_words_line_by_line(project: Callable[..., Project]) -> None:
    house = project().start()
    words = '"two\\nCALL lines"'
    house.approve(house.pending("A.md", plan(f"action: stub.record\nwith:\n  text: {words}\n")))
    house.await_note("A.md", "Done", "status: done")
    house.stop()

    plan_id = house.entries("frozen")[0].plan
    lines = (house.logs / "mcp_actions.log").read_text().splitlines()
    kinds = [line.split()[1] for line in lines if plan_id in line]
    said = [kind for kind in kinds if kind != "AUDIT"]
    assert said == ["CALL", "PARAMS", "RESPONSE"]
    assert kinds.count("AUDIT") == len(house.entries(plan=plan_id))
    assert all(plan_id in line for line in lines), "a text from outside began a line of its own"
    call = next(line for line in lines if line.split()[1] == "CALL")
    assert call.endswith(f"{plan_id} step-1 stub.record attempt 1")


@pytest.mark.promise("9")
def test_secrets_are_in_no_log_and_in_nothing_that_the_daemon_writes_into_a_note(
    project: Callable[..., Project],
) -> None:
    house = project(servers={})
    (house.config / ".env").write_text(f"GREETING_TOKEN={IN_ENVIRONMENT}\n")
    house.set_servers({"stub": house.stub("--greet") | {"env": {"STUB_GREETING": "${GREETING_TOKEN}"}}})
    house.policy(
        "rules:\n  - match: {tool: record}\n    secret: [text]\n  - match: {tool: fail}\n    secret: [text]\n"
    )
    house.start()
    steps = [
        f"action: stub.record\nwith:\n  text: {IN_POLICY}\n",
        "action: stub.look\nwith:\n  text: hello\n",
        f"action: stub.look\nwith:\n  text: 'Authorization: Bearer {BEARER}'\n",
        f"action: stub.fail\nwith:\n  text: no {IN_POLICY}\n",
    ]
    note = house.pending("A.md", plan(*steps))
    author = plan(*steps)
    assert IN_POLICY not in note.read_text().replace(author[author.index("## Steps") :], "")
    house.approve(note)

    failed = house.await_note("A.md", "Failed", "status: failed")
    house.stop()
    assert len(house.calls()) == 4
    text = failed.read_text()
    written = text[: text.index("# A plan")] + text[text.index("%% signoff %%") :]
    for secret in (IN_POLICY, IN_ENVIRONMENT, BEARER):
        assert secret not in written
        found = [name for name in holding(house.logs, secret) if not name.startswith("blobs/")]
        assert found == [], f"{secret} is in {found}"
        assert holding(house.logs / "blobs", secret), "where the program itself needs it"
    assert holding(house.vault, IN_ENVIRONMENT) == []
