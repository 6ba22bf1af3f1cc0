"""Where plans, their notes, steps and calls stand."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a plan stands; the values are those of the `status` key in a note."""

    DRAFT = "draft"
    PENDING = "pending"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


FINAL = frozenset({Status.DONE, Status.REJECTED, Status.CANCELLED, Status.EXPIRED})
"""Nothing follows by itself and nothing may be retried under the same approval."""
LIVE = frozenset({Status.APPROVED, Status.SCHEDULED, Status.RUNNING, Status.WAITING})
"""Approved and not yet ended: calls may follow by themselves."""


class Folder(StrEnum):
    """What a folder of the vault is for; its name is a setting."""

    INBOX = "inbox"
    PENDING = "pending"
    APPROVED = "approved"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"


class StepStatus(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class OutcomeClass(StrEnum):
    """How a call ended: the classes of the specification, section 7."""

    DONE = "done"
    REFUSED = "refused"
    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    AUTHENTICATION = "authentication"
    SERVER_ERROR = "server_error"
    UNKNOWN = "unknown"
