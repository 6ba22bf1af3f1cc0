"""A call that its server has answered with what it lacks, as it is kept until it is resumed. Pure.

By the newer protocol such a call has done nothing, and is resumed by a request of its own, which takes the
same arguments, the answers and the server's state. So it can be resumed by another daemon than the one that
made it, as long as that one had not begun to: the original is never sent a second time.
"""

from __future__ import annotations

from dataclasses import dataclass

from signoff.model import InputNeeded, JsonObject, Question, StepState


@dataclass(frozen=True, slots=True)
class Suspended:
    """All that it takes to resume a call.

    Attributes:
        needed: what it lacks.
        arguments, meta: as the call was made.
        round: how often the call has been suspended so far, from 1.
    """

    needed: InputNeeded
    arguments: JsonObject
    meta: JsonObject
    round: int

    def to_json(self) -> JsonObject:
        """The form in which it is kept."""
        own: JsonObject = {"arguments": self.arguments, "meta": self.meta, "round": self.round}
        return {**self.needed.to_json(), **own}

    @classmethod
    def of_json(cls, kept: JsonObject) -> Suspended:
        """The opposite of `to_json`."""
        arguments, meta, count = kept.get("arguments"), kept.get("meta"), kept.get("round")
        return cls(
            InputNeeded.of_json(kept),
            arguments if isinstance(arguments, dict) else {},
            meta if isinstance(meta, dict) else {},
            count if isinstance(count, int) else 1,
        )


def questions_of(step: StepState, needed: InputNeeded) -> dict[str, Question]:
    """The questions that a suspended call waits for, by key; where one was asked anew, the later."""
    keys = list(needed.requests)
    found = [each for each in step.questions if each.suspended == step.suspended and each.place < len(keys)]
    return {keys[each.place]: each for each in found}
