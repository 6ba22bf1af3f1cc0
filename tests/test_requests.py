"""The folder in which commands leave what they ask, and find the answer."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.requests import KEEP_ANSWERS, MOST, Answer, Request, Requests

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.fixture
def requests(tmp_path: Path) -> Requests:
    return Requests(tmp_path / "requests")


def resolve(**fields: str) -> Request:
    return Request("resolve", "plan-1", "ana", step="a", answer="happened", **fields)


@pytest.mark.promise("10")
def test_a_request_is_found_as_it_was_left_and_its_answer_is_read_once(requests: Requests) -> None:
    name = requests.leave(resolve())
    (found,) = requests.waiting()
    assert isinstance(found, Request)
    assert found == resolve(name=name)
    assert requests.answered(name) is None

    requests.answer(found, Answer(ok=False, code="not-unknown", message="It is known."))

    assert list(requests.waiting()) == []
    assert requests.answered(name) == Answer(ok=False, code="not-unknown", message="It is known.")
    assert requests.answered(name) is None


@given(TEXT, TEXT, TEXT)
def test_whatever_is_typed_comes_through(
    tmp_path_factory: pytest.TempPathFactory, a: str, b: str, c: str
) -> None:
    requests = Requests(tmp_path_factory.mktemp("r"))
    requests.leave(Request("reject", a, b, reason=c))
    (found,) = requests.waiting()
    assert isinstance(found, Request)
    assert (found.plan, found.by, found.reason) == (a, b, c)


def test_requests_are_taken_in_the_order_in_which_they_were_left(requests: Requests) -> None:
    names = [requests.leave(Request("cancel", str(number), "ana")) for number in range(20)]
    assert [found.name for found in requests.waiting() if isinstance(found, Request)] == names


def test_a_request_knows_when_it_was_left_and_one_without_a_time_is_as_old_as_can_be(
    requests: Requests,
) -> None:
    before = datetime.now(UTC)
    requests.leave(resolve())
    (found,) = requests.waiting()
    assert isinstance(found, Request)
    assert before.timestamp() - 0.001 <= found.left_at.timestamp() <= datetime.now(UTC).timestamp()
    for name in ("", "x", "99999999999999999999-x", "-1", "٣-x", "1" * 400):
        assert resolve(name=name).left_at.year in {1970, 5138}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"resolve"',
        b"\xff\xfe",
        b'{"kind": "run-anything", "plan": "p", "by": "ana"}',
        b'{"kind": ["resolve"], "plan": "p", "by": "ana"}',
        b'{"kind": "resolve", "plan": "' + b"x" * MOST + b'"}',
    ],
)
def test_a_file_that_is_no_request_is_given_as_its_path(requests: Requests, data: bytes) -> None:
    path = requests.folder / "1.request.json"
    path.write_bytes(data)
    assert list(requests.waiting()) == [path]
    requests.drop(path)
    assert list(requests.waiting()) == []


def test_values_that_are_no_texts_count_as_absent(requests: Requests) -> None:
    asked = {"kind": "cancel", "plan": "p", "by": "ana", "reason": None, "step": 5}
    (requests.folder / "1.request.json").write_text(json.dumps(asked))
    (found,) = requests.waiting()
    assert isinstance(found, Request)
    assert (found.reason, found.step) == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_what_is_no_regular_file_is_not_opened(requests: Requests) -> None:
    os.mkfifo(requests.folder / "1.request.json")
    (requests.folder / "2.request.json").symlink_to("/dev/zero")
    assert [each.name for each in requests.waiting()] == ["1.request.json", "2.request.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
@pytest.mark.promise("10")
def test_only_the_owner_may_enter_the_folder_and_read_what_is_in_it(requests: Requests) -> None:
    name = requests.leave(resolve())
    assert stat.S_IMODE(requests.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((requests.folder / f"{name}.request.json").stat().st_mode) == 0o600


def test_answers_that_nobody_came_for_go_after_a_day(requests: Requests) -> None:
    for name, age in (("old", KEEP_ANSWERS + 60), ("new", 60.0)):
        requests.answer(resolve(name=name), Answer(ok=True, code="", message=""))
        past = time.time() - age
        os.utime(requests.folder / f"{name}.answer.json", (past, past))
    requests.sweep()
    assert [path.name for path in requests.folder.iterdir()] == ["new.answer.json"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"ok": true}'])
def test_an_answer_that_cannot_be_read_is_none(requests: Requests, data: bytes) -> None:
    (requests.folder / "x.answer.json").write_bytes(data)
    assert requests.answered("x") is None
