"""What is known of every plan: a fold over the ledger's entries, and nothing else.

`State.apply` is the only place that changes a `PlanState`. It is total: an event it does not know
changes nothing, so that an older program can read a newer log without inventing facts. Plans that
have ended for good are kept as a few words each (`Ended`), since there may be hundreds of thousands;
their details are folded again from the log when somebody asks (`history`).

Events about plans, and what their `data` holds:

============  ==================================================================================
frozen        path, title, steps [{id, name, action, call, risk, kept, reason, message}], risk, needs,
              proposed_by, priority, expires, replaces [digest], spent [SHA-256 of notes]; `kept`: a step
              that is done or unknown already; `reason`: why one that was done is done again. Of a
              run of a repeating plan also parent, due, missed
presented     path: the preview is in the note
moved         to: where the note lies now
approved      method, expires, gesture, note (SHA-256 of the note's bytes), complete; of a run of a
              repeating plan: of, given (the plan, and when that was approved)
started       resumed: the approval is consumed from here on
intent        a call is about to leave: arguments (redacted), key
outcome       class, reason, message, summary, result (blob), until
asked         question (its number), mode, message, fields, kept (blob), until: a server asks in the
              middle of a call; of a call that is suspended meanwhile also suspended (blob), place
answered      question, action (`accept`, `decline`, `cancel`), reason, answer, via, method, nonce, content
              (blob); withheld: it had been answered, and the answer never left
resumed       suspended (blob): a suspended call is about to be resumed with its answers
added         of, name, action, call, item: an item of a `for_each`, or an undo, is a step of its own now
occurrence    at, run, note, missed: a repeating plan has a run, which is a plan of its own
passed        at, missed: due times of a repeating plan up to `at` were missed, and left out
step          status, reason, message, until: a step changed without a call
resolved      answer (`happened` or `did-not-happen`), via
waiting       reason, message, until
returned      reason, message, final {step, sha256, kept (blob)}, also [the same of further calls]: back to
              the person; approvals are void
finished      status, reason, message
code-used     code_step: a one-time code was taken from a note, and is used up
refused       reason, message, path, copy: something was asked for and not done; `copy`: it was asked
              in another note than the plan's own
============  ==================================================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime

from signoff.evidence import Codes
from signoff.ledger.changes import CHANGES, RECENT
from signoff.ledger.entry import Entry
from signoff.ledger.frozen import Ended, frozen_state
from signoff.model import FINAL, PlanState, Status


class State:
    """Every plan, as the ledger tells it.

    Attributes:
        plans: those that may still do something, by id, with all their details.
        ended: those that have ended for good, by id.
        codes, nonces: what of one-time codes and signatures has been used.
        recent: the last few that ended, with their details, for the dashboard.
        sequence, latest: number and time of the last entry applied; the latest time ever seen, so
            that a clock set back does not revive an approval.
    """

    def __init__(self) -> None:
        self.plans: dict[str, PlanState] = {}
        self.ended: dict[str, Ended] = {}
        self.codes = Codes()
        self.nonces: set[str] = set()
        self.recent: deque[PlanState] = deque(maxlen=RECENT)
        self.sequence = 0
        self.latest = ""

    def apply(self, entry: Entry) -> None:
        """Take one entry into account. Unknown events and plans change nothing."""
        self.sequence = entry.seq
        self.latest = max(self.latest, entry.time)
        self._follow_evidence(entry)
        if entry.plan is None:
            return
        if entry.event == "frozen":
            self._freeze(entry)
            return
        plan = self.plans.get(entry.plan)
        if plan is None:
            self._touch_ended(entry)
            return
        change = CHANGES.get(entry.event)
        if change is not None:
            change(plan, entry)

    def _follow_evidence(self, entry: Entry) -> None:
        """Codes and signatures are used up whatever becomes of the plan they were given for."""
        step, nonce = entry.data.get("code_step"), entry.data.get("nonce")
        if entry.event == "code-used" and entry.approver is not None and isinstance(step, int):
            self.codes.accept(entry.approver, step)
        elif entry.event == "codes-unlocked":
            self.codes.wrong.clear()
        elif entry.event == "refused" and entry.data.get("reason") == "code-wrong":
            self.codes.refuse(datetime.fromisoformat(entry.time))
        elif entry.event in {"approved", "answered"} and isinstance(nonce, str):
            self.nonces.add(nonce)

    def retire(self, plan_id: str) -> None:
        """Forget the details of a plan that has ended for good; its note has been written."""
        plan = self.plans.get(plan_id)
        if plan is not None and plan.status in FINAL:
            del self.plans[plan_id]
            self.recent.append(plan)
            self.ended[plan_id] = Ended.of(plan)

    def recall(self, plan: PlanState) -> None:
        """Take back the details of a plan that has ended, as `history` folded them."""
        self.ended.pop(plan.id, None)
        self.plans[plan.id] = plan

    def retire_all(self) -> None:
        """`retire` for every plan that has ended; used after the log was read at start."""
        for plan_id in [key for key, plan in self.plans.items() if plan.status in FINAL]:
            self.retire(plan_id)

    def status(self, plan_id: str) -> Status | None:
        """The status of a plan, live or ended; None for one never frozen."""
        if plan_id in self.plans:
            return self.plans[plan_id].status
        ended = self.ended.get(plan_id)
        return ended.status if ended else None

    def is_deleted(self, plan_id: str) -> bool:
        """Was the plan withdrawn since its note was deleted? It may come back with the note."""
        known = self.plans.get(plan_id)
        ended = Ended.of(known) if known is not None else self.ended.get(plan_id)
        return ended is not None and ended.deleted

    def has_begun(self, plan_id: str) -> bool:
        """Was any call of the plan ever intended, as far as is known?"""
        known, ended = self.plans.get(plan_id), self.ended.get(plan_id)
        return known.has_begun if known is not None else ended is not None and ended.run > 0

    def path(self, plan_id: str) -> str | None:
        """Where the plan's note was last seen; None for a plan never frozen."""
        if plan_id in self.plans:
            return self.plans[plan_id].path
        ended = self.ended.get(plan_id)
        return ended.path if ended else None

    def _freeze(self, entry: Entry) -> None:
        assert entry.plan is not None  # noqa: S101  `apply` has looked
        ended = self.ended.pop(entry.plan, None)
        known = self.plans.get(entry.plan)
        self.plans[entry.plan] = frozen_state(entry, Ended.of(known) if known is not None else ended)

    def _touch_ended(self, entry: Entry) -> None:
        ended = self.ended.get(entry.plan or "")
        if ended is not None and entry.event == "moved":
            self.ended[entry.plan or ""] = ended._replace(path=str(entry.data.get("to", ended.path)))


def fold(entries: Iterable[Entry]) -> State:
    """The state after these entries, with ended plans in short."""
    state = State()
    for entry in entries:
        state.apply(entry)
        if entry.event == "moved" and entry.plan is not None:
            state.retire(entry.plan)
    state.retire_all()
    return state


def history(plan_id: str, entries: Iterable[Entry]) -> PlanState | None:
    """Everything about one plan, ended or not, folded from the log; None for one never frozen."""
    state = State()
    for entry in entries:
        if entry.plan == plan_id:
            state.apply(entry)
    return state.plans.get(plan_id)
