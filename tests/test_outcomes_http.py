"""What a remote server answers, and what becomes of the plan: the classes of section 7."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.http_stub import HttpStub
from support.project import Project, eventually, plan, projects

ELSEWHERE = "http://127.0.0.1:9/mcp"

ANSWERS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "not known": ({"status": 401}, "authentication", "Failed", "failed"),
    "not allowed": ({"status": 403}, "authentication", "Failed", "failed"),
    "not there": (
        {"status": 404, "json_error": {"code": -32601, "message": "What?"}},
        "refused",
        "Failed",
        "failed",
    ),
    "too often": ({"status": 429}, "rate_limited", "Approved", "waiting"),
    "too often for now": ({"status": 429, "retry_after": "900"}, "rate_limited", "Approved", "waiting"),
    "broken": ({"status": 500}, "server_error", "Failed", "failed"),
    "not taking any": ({"status": 503}, "transient", "Approved", "waiting"),
    "moved away": ({"redirect": ELSEWHERE}, "refused", "Failed", "failed"),
    "cut off": ({"drop": "middle"}, "unknown", "Failed", "unknown"),
    "no answer at all": ({"drop": "before"}, "unknown", "Failed", "unknown"),
}
"""By the text of the call: how it is answered, its class, and where the note then is, with which status."""

ACTED = {"cut off"}
"""What the server has done all the same."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


@pytest.mark.promise("7")
def test_whatever_a_remote_server_answers_the_plan_ends_in_the_class_of_it(
    project: Callable[..., Project],
) -> None:
    with HttpStub() as stub:
        stub.when = {text: how for text, (how, *_) in ANSWERS.items()}
        # A server each: where one does not let us in, other plans for it wait.
        names = {text: text.replace(" ", "-") for text in ANSWERS}
        house = project(
            servers={name: {"url": stub.url} for name in names.values()},
            settings='[execution]\nretry_delay = "50ms"\nretries = 1\n',
        ).start()
        for text, name in names.items():
            note = house.pending(f"{text}.md", plan(f"action: {name}.record\nwith:\n  text: {text}\n"))
            house.approve(note)
        for text, (_, kind, folder, status) in ANSWERS.items():
            house.await_note(f"{text}.md", folder, f"status: {status}")
            planned = house.front(house.vault / folder / f"{text}.md")["id"]
            found = eventually(
                lambda planned=planned: house.entries("outcome", plan=planned), f"an outcome of {text}"
            )
            assert {entry.data["class"] for entry in found} == {kind}, text
        assert {call["arguments"]["text"] for call in stub.calls} == ACTED
        assert len(stub.calls) == len(ACTED)
        waiting = {
            text: house.entries("waiting", plan=house.front(house.vault / "Approved" / f"{text}.md")["id"])[0]
            for text in ("too often", "too often for now")
        }
        assert waiting["too often"].data["until"] > waiting["too often for now"].data["until"]
