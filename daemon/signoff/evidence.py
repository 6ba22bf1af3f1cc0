"""What a person's approval rests on: an edit, a one-time code, or a signature. Pure.

A one-time code (TOTP, RFC 6238: SHA-1, 30 s, 6 digits, as every authenticator has it) says by itself
whose it is, since each approver has a secret of their own. It is accepted for as long as slow sync may
take (`code_window`), and each only once, over all plans and restarts: what has been used is in the ledger,
as the number of its 30-second step, never the code.

A signature is made with an SSH key over a statement of plan id, digest, nonce and expiry, in the
namespace `signoff`, so that it says who, and what exactly. Its nonce is accepted once.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson
import pyotp

from signoff.canonical import canonical
from signoff.model import JsonObject, Method

STEP = 30
"""Seconds of one code."""
AHEAD = 1
"""Steps by which the approver's clock may be ahead of ours."""
DIGITS = 6
FREE_TRIES = 3
"""Wrong codes in a row that cost no waiting."""
FIRST_DELAY = 30.0
"""Seconds that codes are not looked at after the fourth wrong one; doubled with each further one."""
LOCKED_AFTER = 10
"""Wrong codes in a row after which codes are no longer taken."""
LOCK_TIME = 24 * 3600.0
"""Seconds until a lock ends by itself."""
NAMESPACE = "signoff"
FORMAT = "signoff/approval/1"
ANSWER_FORMAT = "signoff/answer/1"
FENCE = "signoff-approval"
"""The info word of the fenced block in which a signature can be pasted into a note."""
LONGEST = 16_384
"""Bytes of a pasted statement with its signature."""

_CODE = re.compile(r"[0-9]{1,6}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an approval rests on.

    Attributes:
        method: its kind.
        approver: whose it is, where the evidence itself says so; None for an edit.
        detail: what the ledger keeps of it; never a code.
        expires: until when the signature says that it holds; None for the others.
        problem: reason code and words, where it is no valid evidence; else None.
    """

    method: Method = Method.EDIT
    approver: str | None = None
    detail: JsonObject = field(default_factory=dict)
    expires: datetime | None = None
    problem: tuple[str, str] | None = None


def invalid(method: Method, code: str, words: str) -> Evidence:
    """Evidence that does not count, and why."""
    return Evidence(method=method, problem=(code, words))


# ---------------------------------------------------------------- one-time codes


@dataclass(slots=True)
class Codes:
    """What has become of one-time codes, folded from the ledger.

    Attributes:
        used: by approver, the 30-second steps whose code has been used.
        wrong: the times of wrong codes since the last right one, oldest first.
    """

    used: dict[str, set[int]] = field(default_factory=dict)
    wrong: list[datetime] = field(default_factory=list)

    def accept(self, approver: str, step: int) -> None:
        """A code was used."""
        self.used.setdefault(approver, set()).add(step)
        self.wrong.clear()

    def refuse(self, time: datetime) -> None:
        """A wrong code was tried."""
        self.wrong.append(time)

    def closed_until(self, now: datetime) -> tuple[datetime, str] | None:
        """Until when codes are not looked at, and the reason code; None where they are."""
        count = len(self.wrong)
        if count <= FREE_TRIES:
            return None
        locked = count >= LOCKED_AFTER
        delay = LOCK_TIME if locked else FIRST_DELAY * 2 ** (count - FREE_TRIES - 1)
        until = self.wrong[-1] + timedelta(seconds=delay)
        return (until, "code-locked" if locked else "code-slowed") if now < until else None


def read_code(
    typed: str, secrets: Mapping[str, str], *, now: datetime, window: float, codes: Codes
) -> Evidence:
    """Whose code this is, if it is anybody's now.

    Args:
        typed: as in the note; blanks and hyphens do not matter, nor leading zeros that were lost.
        secrets: by approver, in Base32.
        now: with the zone in which times are said.
        window: seconds for which a code is accepted after its time.
        codes: what has been used, and how often somebody guessed.
    """
    closed = codes.closed_until(now)
    if closed is not None:
        until, code = closed
        when = f"{until.astimezone(now.tzinfo):%H:%M:%S (%Z)}"
        return invalid(Method.CODE, code, f"After too many wrong codes, none is looked at until {when}.")
    digits = re.sub(r"[\s-]", "", typed)
    if not _CODE.fullmatch(digits):
        return invalid(Method.CODE, "code-wrong", "The code is not a number of six digits.")
    return _match(digits.zfill(DIGITS), secrets, now=now, window=window, codes=codes)


def _match(
    digits: str, secrets: Mapping[str, str], *, now: datetime, window: float, codes: Codes
) -> Evidence:
    newest = int(now.timestamp()) // STEP + AHEAD
    oldest = int(now.timestamp() - window) // STEP
    reused = False
    for approver, secret in secrets.items():
        generator = pyotp.HOTP(secret, digits=DIGITS)
        for step in range(newest, oldest - 1, -1):
            if hmac.compare_digest(generator.at(step), digits):
                if step not in codes.used.get(approver, set()):
                    return Evidence(Method.CODE, approver, {"code_step": step})
                reused = True
    if reused:
        return invalid(Method.CODE, "code-used", "This code has been used already. Each code approves once.")
    return invalid(Method.CODE, "code-wrong", "The code is wrong, or too old.")


# ---------------------------------------------------------------- signatures


def statement(
    plan: str, digest: str, nonce: str, expires: datetime, about: JsonObject | None = None
) -> bytes:
    """What is signed: one line of canonical JSON (RFC 8785) and a line end.

    Args:
        about: of an answer to a server's question, which and what; None for an approval.
    """
    content: JsonObject = {
        **(about or {}),
        "format": FORMAT if about is None else ANSWER_FORMAT,
        "plan": plan,
        "digest": digest,
        "nonce": nonce,
        "expires": expires.astimezone(UTC).isoformat(timespec="seconds"),
    }
    return canonical(content) + b"\n"


def split_signed(text: str) -> tuple[bytes, str] | None:
    """A pasted statement and its signature; None where the text is not the two, one after the other."""
    if len(text) > LONGEST:
        return None
    first, _, rest = text.strip().partition("\n")
    armour = rest.strip()
    begins = armour.startswith("-----BEGIN SSH SIGNATURE-----")
    ends = armour.endswith("-----END SSH SIGNATURE-----")
    return (first.strip().encode() + b"\n", armour + "\n") if begins and ends else None


_NOT_IT = ("The signed text is not an approval.", "The signed text is not an answer.")


def read_signed(
    signed: bytes,
    *,
    approver: str,
    plan: str,
    digest: str,
    now: datetime,
    nonces: Collection[str],
    about: JsonObject | None = None,
) -> Evidence:
    """What a statement says whose signature has been verified to be an approver's.

    Args:
        signed: the bytes that were signed.
        approver: whose key signed them.
        plan, digest: what is to be approved.
        now: with the zone in which times are said.
        nonces: those that have been used.
        about: what an answer must be about; None for an approval.
    """
    try:
        said = orjson.loads(signed)
        expires = datetime.fromisoformat(said["expires"])
        wanted = FORMAT if about is None else ANSWER_FORMAT
        known = said["format"] == wanted and expires.tzinfo is not None and canonical(said) + b"\n" == signed
        nonce = str(said["nonce"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        known, said, nonce, expires = False, {}, "", now
    ended = f"{expires.astimezone(now.tzinfo):%Y-%m-%d %H:%M (%Z)}"
    wrong: Sequence[tuple[bool, str, str]] = (
        (not known or not _NONCE.fullmatch(nonce), "evidence-invalid", _NOT_IT[about is not None]),
        (
            any(said.get(key) != value for key, value in (about or {}).items()),
            "evidence-invalid",
            "The signature is for another answer.",
        ),
        (
            said.get("plan") != plan,
            "evidence-invalid",
            f"The signature is for the plan `{said.get('plan')}`.",
        ),
        (
            said.get("digest") != digest,
            "digest-changed",
            "The signature is for another content of this plan.",
        ),
        (nonce in nonces, "evidence-replayed", "This signature has been used already."),
        (
            expires <= now,
            "expired",
            f"The signature was valid until {ended}.",
        ),
    )
    for is_wrong, code, words in wrong:
        if is_wrong:
            return invalid(Method.SIGNATURE, code, words)
    return Evidence(Method.SIGNATURE, approver, {"statement": signed.decode(), "nonce": nonce}, expires)
