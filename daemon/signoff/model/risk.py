"""How much harm a plan could do, and what approval it needs for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from signoff.model.values import JsonObject


class Risk(StrEnum):
    """How much harm a call could do; ordered by `rank`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 for low, 2 for high."""
        return _RISKS[self]


class Method(StrEnum):
    """Evidence of an approval, weakest first; ordered by `rank`."""

    AUTO = "auto"
    EDIT = "edit"
    CODE = "code"
    SIGNATURE = "signature"

    @property
    def rank(self) -> int:
        """0 for none needed, 3 for a signature."""
        return _METHODS[self]


_RISKS = {risk: rank for rank, risk in enumerate(Risk)}
_METHODS = {method: rank for rank, method in enumerate(Method)}


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a risk needs before it may run (`requires` in the policy).

    `ttl` is the longest expiry in seconds, None where only the setting counts; `who` names those who
    may approve, None where every approver may.
    """

    method: Method = Method.EDIT
    approvers: int = 1
    allow_proposer: bool = True
    ttl: float | None = None
    presented: bool = True
    who: frozenset[str] | None = None

    def to_json(self) -> JsonObject:
        """The form in which it is recorded, which has no `who`."""
        return {
            "method": self.method.value,
            "approvers": self.approvers,
            "allow_proposer": self.allow_proposer,
            "ttl": self.ttl,
            "presented": self.presented,
        }


@dataclass(frozen=True, slots=True)
class StepRisk:
    """What the policy says of one step, and which rule said it.

    `limits` are those on all its calls; `limits_on` has them by call, as `server.tool`.
    """

    step: str
    risk: Risk
    rule: str
    denied: bool = False
    limits: tuple[str, ...] = ()
    secret: frozenset[str] = frozenset()
    limits_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the policy says of a plan: the strictest of its calls."""

    risk: Risk
    requirement: Requirement
    steps: tuple[StepRisk, ...]
    denied: frozenset[str] = field(init=False, compare=False, repr=False)
    """The steps that the policy forbids."""
    _secrets: Mapping[str, frozenset[str]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "denied", frozenset(entry.step for entry in self.steps if entry.denied))
        object.__setattr__(self, "_secrets", {entry.step: entry.secret for entry in self.steps})

    def secret(self, step: str) -> frozenset[str]:
        """The argument names of a step that may be shown nowhere."""
        return self._secrets.get(step, frozenset())
