"""What a dialect found: steps, or the question that is in the way of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from signoff.errors import NoteError
from signoff.model import Json, Step

MISSING = frozenset(
    {"argument-missing", "text-missing", "action-missing", "unknown-action", "arguments-missing"}
)
"""Questions for what is not there: another dialect may say it. All others are about what is there."""


@dataclass(frozen=True, slots=True)
class Call:
    """An action with the arguments that are known of it, under the action's own names."""

    action: str
    arguments: Mapping[str, Json]
    line: int
    name: str = ""
    checkbox: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one dialect made of a note.

    Attributes:
        dialect: its name.
        calls: in order; where there is a question, what is known of them all the same.
        question: why they are not complete; None where they are.
    """

    dialect: str
    calls: tuple[Call, ...]
    question: NoteError | None = None

    @property
    def line(self) -> int:
        """Where it stands in the note."""
        return self.calls[0].line if self.calls else (self.question.line or 1) if self.question else 1

    def steps(self) -> tuple[Step, ...]:
        """Its calls as steps."""
        return tuple(
            Step(
                id=f"step-{number}",
                name=call.name or call.action,
                action=call.action,
                arguments=dict(call.arguments),
                line=call.line,
                checkbox=call.checkbox,
            )
            for number, call in enumerate(self.calls, 1)
        )
