"""One-time codes and signed statements: what counts, once, and what does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.evidence import (
    LOCKED_AFTER,
    STEP,
    Codes,
    read_code,
    read_signed,
    split_signed,
    statement,
)
from signoff.model import Method

SECRETS = {"ana": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "bob": "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"}
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
WINDOW = 600.0


def code_of(name: str, moment: datetime = NOW) -> str:
    return pyotp.TOTP(SECRETS[name]).at(moment)


def judge(typed: str, codes: Codes | None = None, now: datetime = NOW) -> object:
    return read_code(typed, SECRETS, now=now, window=WINDOW, codes=codes or Codes())


@pytest.mark.promise("6")
def test_a_code_says_whose_it_is() -> None:
    assert judge(code_of("ana")).approver == "ana"
    assert judge(code_of("bob")).approver == "bob"
    assert judge(code_of("bob")).method is Method.CODE


@pytest.mark.promise("6")
@given(st.integers(0, int(WINDOW)))
def test_a_code_is_accepted_through_slow_sync_within_the_window(late: int) -> None:
    assert judge(code_of("ana"), now=NOW + timedelta(seconds=late)).approver == "ana"


@given(st.integers(int(WINDOW) + STEP, 10_000_000))
def test_a_code_older_than_the_window_is_wrong(late: int) -> None:
    found = judge(code_of("ana"), now=NOW + timedelta(seconds=late))
    assert found.problem is not None or found.detail["code_step"] != int(NOW.timestamp()) // STEP


@pytest.mark.parametrize("shape", ["{}", " {} ", "{0:.3} {1}", "{0:.3}-{1}"])
def test_blanks_and_hyphens_do_not_matter(shape: str) -> None:
    code = code_of("ana")
    typed = shape.format(code) if "1" not in shape else shape.format(code[:3], code[3:])
    assert judge(typed).approver == "ana"


def test_leading_zeros_may_be_lost() -> None:
    moment = next(
        NOW + timedelta(seconds=STEP * step)
        for step in range(2000)
        if code_of("ana", NOW + timedelta(seconds=STEP * step)).startswith("0")
    )
    found = read_code(str(int(code_of("ana", moment))), SECRETS, now=moment, window=WINDOW, codes=Codes())
    assert found.approver == "ana"


@pytest.mark.promise("6")
def test_each_code_counts_once() -> None:
    codes = Codes()
    first = judge(code_of("ana"), codes)
    codes.accept(first.approver, first.detail["code_step"])
    assert judge(code_of("ana"), codes).problem[0] == "code-used"


def test_what_the_ledger_keeps_does_not_hold_the_code() -> None:
    found = judge(code_of("ana"))
    assert code_of("ana") not in repr(found)


@pytest.mark.parametrize("typed", ["", "abc", "12345678", "１２３４５６", "-1", "1e5", "000000\n000000"])
def test_what_is_no_code_is_wrong(typed: str) -> None:
    assert judge(typed).problem is not None


@pytest.mark.promise("6")
def test_guessing_is_slowed_and_then_locked_out() -> None:
    codes = Codes()
    now = NOW
    evaluated = 0
    for _ in range(200):
        found = judge("000000", codes, now) if code_of("ana", now) != "000000" else None
        if found is not None and found.problem[0] == "code-wrong":
            codes.refuse(now)
            evaluated += 1
        now += timedelta(seconds=60)
    assert evaluated <= LOCKED_AFTER
    assert judge(code_of("ana", now), codes, now).problem[0] == "code-locked"


def test_a_right_code_ends_the_counting() -> None:
    codes = Codes()
    for _ in range(3):
        codes.refuse(NOW)
    first = judge(code_of("ana"), codes)
    codes.accept(first.approver, first.detail["code_step"])
    assert codes.closed_until(NOW) is None


ARMOUR = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"
NONCE = "n" * 22
EXPIRES = NOW + timedelta(hours=1)


def signed(**changed: object) -> object:
    fields = {"plan": "p", "digest": "d", "nonce": NONCE, "expires": EXPIRES} | changed
    nonces = fields.pop("nonces", set())
    return read_signed(statement(**fields), approver="ana", plan="p", digest="d", now=NOW, nonces=nonces)


@pytest.mark.promise("6")
def test_a_signed_statement_binds_plan_digest_nonce_and_expiry() -> None:
    assert signed().approver == "ana"
    assert signed().expires == EXPIRES
    assert signed(plan="other").problem[0] == "evidence-invalid"
    assert signed(digest="other").problem[0] == "digest-changed"
    assert signed(nonces={NONCE}).problem[0] == "evidence-replayed"
    assert signed(expires=NOW).problem[0] == "expired"
    assert signed(nonce="short").problem[0] == "evidence-invalid"


@given(st.binary(max_size=200))
def test_bytes_that_are_no_statement_are_refused(data: bytes) -> None:
    found = read_signed(data, approver="ana", plan="p", digest="d", now=NOW, nonces=set())
    assert found.problem is not None


def test_a_statement_with_other_spacing_is_not_what_was_shown() -> None:
    data = statement("p", "d", NONCE, EXPIRES).replace(b'":"', b'": "')
    found = read_signed(data, approver="ana", plan="p", digest="d", now=NOW, nonces=set())
    assert found.problem[0] == "evidence-invalid"


def test_a_pasted_signature_is_the_statement_and_the_armour_below_it() -> None:
    line = statement("p", "d", NONCE, EXPIRES)
    assert split_signed(line.decode() + ARMOUR) == (line, ARMOUR)
    assert split_signed("\n\n" + line.decode() + "\n" + ARMOUR + "\n") == (line, ARMOUR)
    assert split_signed(ARMOUR) is None
    assert split_signed(line.decode()) is None


@pytest.mark.promise("1.5")
def test_until_when_codes_are_not_looked_at_is_said_in_local_time() -> None:
    codes = Codes(wrong=[NOW] * 30)
    local = NOW.astimezone(ZoneInfo("Europe/Berlin"))
    said = getattr(judge("123456", codes, local), "problem", None)
    until = codes.closed_until(NOW)
    assert said is not None
    assert until is not None
    assert f"{until[0].astimezone(ZoneInfo('Europe/Berlin')):%H:%M:%S} (CE" in said[1]
