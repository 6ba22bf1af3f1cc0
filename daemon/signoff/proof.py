"""Proving afterwards, from the log and the blobs alone, that what was called is what somebody approved.

The chain says that the log was not changed; this says that what stands in it holds together: each approval
is of the content that was frozen last, each signature verifies, and each call that left was covered by a
complete approval that had not ended, with exactly the approved arguments where those were known before.
It trusts nothing but the entries, the blobs (named by their hashes) and the public keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from signoff.canonical import digest_of
from signoff.errors import LedgerError, SignoffError
from signoff.evidence import read_signed
from signoff.flow import calls_of
from signoff.ledger.entry import Entry
from signoff.model import FrozenPlan, Method
from signoff.occurrences import as_occurrence
from signoff.plan.expressions import late_arguments
from signoff.plan.freeze import thaw
from signoff.signatures import verify


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.

    Attributes:
        seq, plan: which entry, of which plan.
        kind: `ok`, `gone` (content deleted after its time, so that it cannot be checked) or `wrong`.
        words: what was found, for people.
    """

    seq: int
    plan: str
    kind: str
    words: str


@dataclass(slots=True)
class _Case:
    """What is known of one plan while its entries are read."""

    digest: str = ""
    frozen: FrozenPlan | None = None
    complete: bool = False
    ends: list[str] = field(default_factory=list)


def prove(
    entries: Iterable[Entry], blob: Callable[[str], bytes], allowed_signers: Path, plan: str | None = None
) -> Iterator[Finding]:
    """Check every approval and every call, of one plan or of all.

    Args:
        entries: the whole log, in order; its chain is somebody else's to verify.
        blob: the content under a hash; raises LedgerError where it is gone or damaged.
        allowed_signers: OpenSSH's file of public keys.
        plan: the id of the one plan to look at, or None for all.
    """
    cases: dict[str, _Case] = {}
    nonces: set[str] = set()
    for entry in entries:
        if entry.plan is None or not _concerns(entry.plan, plan):
            continue
        case = cases.setdefault(entry.plan, _Case())
        if entry.event == "frozen":
            yield _frozen(entry, case, blob)
        elif entry.event == "returned":
            case.complete, case.ends = False, []
        elif entry.event == "approved":
            parent = cases.get(str(entry.data.get("of")))
            yield (
                _approved(entry, case, allowed_signers, nonces)
                if parent is None
                else _had(entry, case, parent)
            )
        elif entry.event == "intent":
            yield _called(entry, case)
        elif entry.event == "resumed" and (wrong := _uncovered(entry, case, "resumed")):
            yield _finding(entry, "wrong", wrong)


def _concerns(found: str, wanted: str | None) -> bool:
    """Is this the plan asked about, or the repeating plan that it is a run of?"""
    return wanted is None or found == wanted or wanted.startswith(f"{found}--")


def _finding(entry: Entry, kind: str, words: str) -> Finding:
    return Finding(entry.seq, entry.plan or "", kind, words)


def _frozen(entry: Entry, case: _Case, blob: Callable[[str], bytes]) -> Finding:
    case.digest, case.complete, case.ends = entry.digest or "", False, []
    try:
        case.frozen = thaw(blob(case.digest), digest=case.digest)
    except LedgerError as error:
        case.frozen = None
        kind = "gone" if error.code == "blob-missing" else "wrong"
        return _finding(entry, kind, error.message)
    if case.frozen.id != entry.plan:
        return _finding(entry, "wrong", f"The content under this digest is of the plan `{case.frozen.id}`.")
    return _finding(entry, "ok", f"Frozen content {case.digest[:12]}… is as it was.")


def _approved(entry: Entry, case: _Case, allowed_signers: Path, nonces: set[str]) -> Finding:
    if entry.digest != case.digest:
        return _finding(entry, "wrong", "It approves another content than the one frozen last.")
    method, who = str(entry.data.get("method")), entry.approver or "the policy"
    if method == Method.SIGNATURE:
        wrong = _signature(entry, allowed_signers, nonces)
        if wrong:
            return _finding(entry, "wrong", wrong)
    case.complete = case.complete or entry.data.get("complete") is True
    expires = entry.data.get("expires")
    if isinstance(expires, str):
        case.ends.append(expires)
    proven = {
        Method.SIGNATURE.value: "the signature verifies",
        Method.CODE.value: "with a one-time code, checked at the time and kept nowhere",
        Method.EDIT.value: "by an edit, which proves a gesture, not a person",
    }.get(method, "as the policy asks for no approval")
    return _finding(entry, "ok", f"Approved by {who}: {proven}.")


def _had(entry: Entry, case: _Case, parent: _Case) -> Finding:
    """The run of a repeating plan: what it does must be what the parent's approval covers."""
    if not parent.complete:
        return _finding(entry, "wrong", "It is the run of a plan that nobody had approved.")
    if parent.frozen is None:
        return _finding(entry, "gone", "It is the run of a repeating plan whose content is gone.")
    if digest_of(as_occurrence(parent.frozen.content, entry.plan or "")) != entry.digest:
        return _finding(entry, "wrong", "It does not do what the plan does that it is a run of.")
    case.complete, case.ends = True, list(parent.ends)
    return _finding(entry, "ok", f"A run of {parent.frozen.id}, under the approval of that plan.")


def _signature(entry: Entry, allowed_signers: Path, nonces: set[str]) -> str:
    """What is wrong with a recorded signature; empty where nothing is."""
    signed = str(entry.data.get("statement", "")).encode()
    try:
        signer = verify(signed, str(entry.data.get("signature", "")), allowed_signers)
    except SignoffError as error:
        return error.message
    if signer.name != entry.approver:
        return f"The signature is {signer.name}'s, not {entry.approver}'s."
    found = read_signed(
        signed,
        approver=signer.name,
        plan=entry.plan or "",
        digest=entry.digest or "",
        now=datetime.fromisoformat(entry.time),
        nonces=nonces,
    )
    nonces.add(str(entry.data.get("nonce")))
    return found.problem[1] if found.problem else ""


def _uncovered(entry: Entry, case: _Case, what: str) -> str:
    """Why no approval covers what left at this moment; empty where one does."""
    name = f"{entry.server}.{entry.tool}"
    if not case.complete or entry.digest != case.digest:
        return f"{name} was {what} without a complete approval of this content."
    ended = any(end <= entry.time for end in map(_comparable, case.ends))
    return f"{name} was {what} after the approval had ended." if ended else ""


def _called(entry: Entry, case: _Case) -> Finding:
    name = f"{entry.server}.{entry.tool}"
    if wrong := _uncovered(entry, case, "called"):
        return _finding(entry, "wrong", wrong)
    if case.frozen is None:
        return _finding(entry, "gone", f"{name} was called under an approval; the content is gone.")
    call = next((call for call in calls_of(case.frozen, entry.step or "") if call.name == name), None)
    if call is None:
        return _finding(entry, "wrong", f"{name} is no call of step {entry.step} of the approved content.")
    known = not late_arguments(call) and entry.data.get("keyed") is not True
    if known and entry.data.get("sha256") != digest_of(dict(call.arguments)):
        return _finding(entry, "wrong", f"{name} was called with other arguments than those approved.")
    exactly = "exactly the approved arguments" if known else "arguments filled in when it ran"
    return _finding(entry, "ok", f"{name} was called as approved, with {exactly}.")


def _comparable(time: str) -> str:
    """A time in the log's own form, so that texts compare as times do."""
    moment = datetime.fromisoformat(time)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
