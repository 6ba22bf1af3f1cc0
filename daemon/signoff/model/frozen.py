"""What will be called, exactly: a plan bound to calls of tools, under its digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from signoff.model.values import Json, JsonObject


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call with its arguments in the tool's own names."""

    server: str
    tool: str
    arguments: Mapping[str, Json]

    @property
    def name(self) -> str:
        """`server.tool`."""
        return f"{self.server}.{self.tool}"


@dataclass(frozen=True, slots=True)
class Verification:
    """The call that answers what became of a step whose outcome is not known.

    Attributes:
        call: it only reads.
        happened: CEL over `result` and `with`.
        after: seconds after the step's call at which it is asked, and its "no" is final; None where it is
            asked at once and only its "yes" counts.
        read_only: the catalogue says that it only reads.
    """

    call: Call
    happened: str
    after: float | None = None
    read_only: bool = False


SURVIVES_ALL = "*"
"""In `FrozenStep.survives`: every step. No id of a step is written so."""


@dataclass(frozen=True, slots=True)
class FrozenStep:
    """A step bound to exact calls: the first is preferred, the others may be fallen back to.

    `arguments` are in the action's names (what the person wrote); each call has them in its tool's.
    `undo` is the bound call that takes the step back, or None. `survives` names the steps whose failure
    does not keep this one from running, since its condition reads it (`always()`: all of them).
    """

    id: str
    action: str
    arguments: Mapping[str, Json]
    calls: tuple[Call, ...]
    needs: tuple[str, ...] = ()
    condition: str | None = None
    for_each: Json = None
    timeout: float | None = None
    retries: int | None = None
    continue_on_error: bool = False
    undo: Call | None = None
    limits: str | None = None
    survives: frozenset[str] = frozenset()
    verify: Verification | None = None

    @property
    def all_calls(self) -> tuple[Call, ...]:
        """Every call that may be made for it: its own, and those that take it back and verify it."""
        undo = () if self.undo is None else (self.undo,)
        return (*self.calls, *undo, *(() if self.verify is None else (self.verify.call,)))


@dataclass(frozen=True, slots=True)
class FrozenPlan:
    """The executable content of a plan, under its digest.

    `content` is the JSON whose canonical form (RFC 8785) is hashed and kept as a blob; all other
    fields are read from it, so that what runs is what was hashed. `pins` maps `server.tool` to
    `{"launch": ..., "definition": ...}`.
    """

    id: str
    digest: str
    content: JsonObject
    steps: tuple[FrozenStep, ...]
    pins: Mapping[str, JsonObject]
    mode: str = "sequential"
    on_failure: str = "stop"
    depends_on: tuple[str, ...] = ()
    run_at: str | None = None
    schedule: str | None = None
    by_id: Mapping[str, FrozenStep] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {step.id: step for step in self.steps})
