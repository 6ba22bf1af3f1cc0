"""What commands ask of the daemon: one small file each, in a folder that only its owner can enter.

A command checks what it can, then leaves a request; a running daemon takes it within a second, the next
one at its start. The answer lies beside the request until the command has read it, or a day has passed.
The folder is the evidence: who can write there could as well run the commands.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from signoff import durable, system
from signoff.errors import RequestRefused, UnsafeFile
from signoff.model import LIVE, PlanState, Status

KINDS = ("approve", "reject", "resolve", "retry", "cancel", "answer", "restart", "check", "reload", "unlock")
FIELDS = ("kind", "plan", "by", "step", "answer", "reason", "signed", "code")
REQUEST, ANSWER = ".request.json", ".answer.json"
KEEP_ANSWERS = 86_400.0
"""Seconds."""
MOST = 65_536
"""Bytes of one request."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for.

    Attributes:
        kind: one of `KINDS`.
        plan: the plan's id, in full (for `restart` and `check`: the server's name).
        by: the approver or, for other requests, the person as the system names them.
        step, answer: for `resolve`: the step's id, and `happened` or `did-not-happen`. For `answer`: the
            step's id, and JSON with the `question`, the `action` and what was `typed` by field.
        reason: for `reject` and `cancel`, as typed.
        signed: for `approve` and `answer`, a statement with its signature; empty for an edit's worth.
        code: for `answer`, a one-time code.
        name: of its file, without ending; it sorts by time.
    """

    kind: str
    plan: str
    by: str
    step: str = ""
    answer: str = ""
    reason: str = ""
    signed: str = ""
    code: str = ""
    name: str = ""

    @property
    def left_at(self) -> datetime:
        """When it was left, by its name; the beginning of time where the name does not say."""
        digits = self.name.partition("-")[0]
        nanoseconds = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else 0
        try:
            return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
        except (OverflowError, ValueError, OSError):
            return datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request; `code` is empty where it was granted."""

    ok: bool
    code: str
    message: str


def require_stopped(plan: PlanState, *, hint: str = "") -> None:
    """Only a plan that has stopped, not done, and with no question about a call, can be tried again.

    Raises:
        RequestRefused: `outcome-unknown`, with the hint; `consumed`, or `not-failed`.
    """
    if plan.status is Status.UNKNOWN:
        raise RequestRefused(
            "A call of this plan has an unknown outcome. Say first whether it happened.",
            code="outcome-unknown",
            hint=hint,
        )
    if plan.status is Status.DONE:
        raise RequestRefused("This plan is done; its approval has been used.", code="consumed")
    if plan.status in LIVE or plan.status is Status.PENDING:
        raise RequestRefused(
            f"The plan is {plan.status.value}: there is nothing to retry.", code="not-failed"
        )


class Requests:
    """The folder of requests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        system.make_owner_only_directory(folder)

    def leave(self, request: Request) -> str:
        """Leave a request; its name, under which the answer will come."""
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        body = {key: value for key, value in asdict(request).items() if key != "name"}
        durable.create(self.folder / f"{name}{REQUEST}", orjson.dumps(body), mode=0o600)
        return name

    def waiting(self) -> Iterator[Request | Path]:
        """All requests, oldest first; a file that is none is given as its path."""
        for path in sorted(self.folder.glob(f"*{REQUEST}")):
            yield _read(path) or path

    def answer(self, request: Request, answer: Answer) -> None:
        """Put the answer where the command looks for it, then take the request away."""
        durable.replace(self.folder / f"{request.name}{ANSWER}", orjson.dumps(asdict(answer)), mode=0o600)
        self.drop(self.folder / f"{request.name}{REQUEST}")

    def drop(self, path: Path) -> None:
        """Take a request away."""
        durable.remove(path)

    def answered(self, name: str) -> Answer | None:
        """The answer to a request, once; None while there is none."""
        path = self.folder / f"{name}{ANSWER}"
        try:
            found = orjson.loads(path.read_bytes())
            answer = Answer(bool(found["ok"]), str(found["code"]), str(found["message"]))
        except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
            return None
        durable.remove(path)
        return answer

    def sweep(self) -> None:
        """Delete answers that nobody came for."""
        for path in self.folder.glob(f"*{ANSWER}"):
            if time.time() - path.stat().st_mtime > KEEP_ANSWERS:
                durable.remove(path)


def _read(path: Path) -> Request | None:
    """The request in a file; None for anything else, which is not opened where it is no plain file."""
    try:
        data, _ = durable.read_regular(path.parent, path.name, max_bytes=MOST)
        found = orjson.loads(data)
    except (OSError, UnsafeFile, orjson.JSONDecodeError):
        return None
    if not isinstance(found, dict):
        return None
    fields = {key: value if isinstance(value := found.get(key), str) else "" for key in FIELDS}
    if fields["kind"] not in KINDS:
        return None
    return Request(**fields, name=path.name.removesuffix(REQUEST))
