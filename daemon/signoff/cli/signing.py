"""Approving with an SSH key: on this machine with `--sign`, or on another with `show --to-sign`.

What is signed is one line of JSON: plan id, digest, nonce, expiry. The daemon verifies it with the public
half in `config/allowed_signers`; the private half need never have been here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from signoff.cli.project import Project
from signoff.errors import RequestRefused
from signoff.evidence import split_signed, statement
from signoff.model import PlanState, Status
from signoff.requests import Request
from signoff.signatures import sign, verify


def to_sign(project: Project, plan: PlanState) -> bytes:
    """The statement that approves a plan as it was shown, to be signed anywhere.

    Raises:
        RequestRefused: the plan does not wait for approval.
    """
    if plan.status is not Status.PENDING:
        raise RequestRefused(
            f"The plan is {plan.status.value}; only a plan that waits for approval can be signed.",
            code="consumed",
        )
    ttl = plan.needs.get("ttl")
    longest = min(project.settings.approval.ttl, ttl if isinstance(ttl, int | float) else float("inf"))
    expires = datetime.now(UTC) + timedelta(seconds=longest)
    return statement(plan.id, plan.digest, secrets.token_urlsafe(16), expires)


def signed_approval(key: Path) -> Callable[[Project, PlanState], Request]:
    """To approve with a key: its file, or the public half of one in an agent or token."""

    def make(project: Project, plan: PlanState) -> Request:
        line = to_sign(project, plan)
        return _request(project, plan, line.decode() + sign(line, key))

    return make


def detached_approval(said: Path, signature: Path | None) -> Callable[[Project, PlanState], Request]:
    """To approve with what was signed elsewhere: the statement's file and its signature's.

    Without a second file the signature is expected beside the first (`FILE.sig`), or below the statement
    in it.
    """

    def make(project: Project, plan: PlanState) -> Request:
        text = _read(said)
        if split_signed(text) is None:
            beside = signature or said.with_name(f"{said.name}.sig")
            text = text.strip() + "\n" + _read(beside)
        return _request(project, plan, text)

    return make


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestRefused(f"{path} cannot be read: {error}.", code="file-unreadable") from error


def _request(project: Project, plan: PlanState, signed: str) -> Request:
    """The request, once the signature verifies here as the daemon will verify it."""
    parts = split_signed(signed)
    if parts is None:
        raise RequestRefused("That is no statement with its SSH signature.", code="evidence-invalid")
    signer = verify(*parts, project.config_dir / "allowed_signers")
    return Request("approve", plan.id, signer.name, signed=signed)
