"""Redaction: secrets go, ordinary text stays."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.redact import REDACTED, Redactor, looks_secret, redact_json, redact_text, secret_values

A = "aB3" * 20

SHAPES = [
    f"sk-proj-{A}",
    f"sk-ant-api03-{A}",
    f"sk_live_{A}",
    f"ghp_{A[:36]}",
    f"github_pat_{A}",
    f"glpat-{A[:20]}",
    "xoxb-123456789012-abcdefABCDEF",
    "AKIAIOSFODNN7EXAMPLE",
    f"AIza{A[:35]}",
    f"npm_{A[:36]}",
    "SG.abcdefghijklmnop1234.abcdefghijklmnop5678",
    "123456789:AAabcdefghijklmnopqrstuvwxyz1234567",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{A}\n{A}\n-----END OPENSSH PRIVATE KEY-----",
    f"-----BEGIN RSA PRIVATE KEY-----\n{A}\n{A}",
]

IN_CONTEXT = [
    ("Authorization: Bearer abc123def456ghi789", "abc123def456ghi789"),
    ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("postgres://ana:hunter2@db.example.com:5432/x", "hunter2"),
    ("https://api.example.com/x?a=1&api_key=hunter2&b=2", "hunter2"),
    ("run --password=hunter2 now", "hunter2"),
    ("DB_PASSWORD='hunter 2'", "hunter 2"),
    ('{"access_token": "hunter2", "x": 1}', "hunter2"),
    ("password: hunter2abc", "hunter2abc"),
    ("approval_code: 123456", "123456"),
    ("approval_code: '123 456'", "123 456"),
    ("otpauth://totp/x:ana?secret=JBSWY3DPEHPK3PXP&issuer=x", "JBSWY3DPEHPK3PXP"),
    ("https://hooks.slack.com/services/T000/B000/XXXX", "XXXX"),
]

HARMLESS = [
    "Please find the proposal attached, ana@example.com.",
    "The bearer of internationalization certificates was here.",
    "Forgot your password? Password: required. Token: see below.",
    "max_tokens=100, tokens: 5, page 12, keyboard=qwerty",
    "A risk-assessment-of-the-whole-company-2024 and a task-force-for-sustainability",
    "https://example.com/a/b?q=secrets&x=1 and mailto:ana@example.com",
    "IBAN DE89 3704 0044 0532 0130 00, amount 500 EUR at 12:30:45",
    "SHA-256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "01890a5d-ac96-774b-bcce-b302099a8057",
    "meeting: Tuesday 10:00, secret: what we tell nobody",
    "see http://localhost:8080/path and C:\\Users\\ana@home",
]


@pytest.mark.promise("9")
@pytest.mark.parametrize("secret", SHAPES, ids=[shape[:12] for shape in SHAPES])
@pytest.mark.parametrize("around", ["{}", "key {} end", '"{}"', "({})", "x={},", "\n{}\n"])
def test_a_known_secret_shape_is_removed_wherever_it_stands(secret: str, around: str) -> None:
    text = redact_text(around.format(secret))
    assert secret not in text
    assert secret[-12:] not in text
    assert REDACTED in text


@pytest.mark.promise("9")
@pytest.mark.parametrize(("text", "secret"), IN_CONTEXT)
def test_a_secret_is_removed_by_where_it_stands_and_the_rest_is_kept(text: str, secret: str) -> None:
    redacted = redact_text(text)
    assert secret not in redacted
    assert redacted.startswith(text[:6])


def test_only_the_password_of_an_address_is_removed() -> None:
    assert redact_text("postgres://ana:hunter2@db/x") == f"postgres://ana:{REDACTED}@db/x"


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


WORDS = [
    "the",
    "a",
    "of",
    "plan",
    "step",
    "note",
    "send",
    "client",
    "password",
    "token",
    "secret",
    "key",
    "bearer",
    "basic",
]


@given(st.lists(st.sampled_from(WORDS), max_size=30), st.sampled_from([" ", ", ", ". ", "; ", "\n", " - "]))
def test_prose_about_secrets_is_not_a_secret(words: list[str], between: str) -> None:
    text = between.join(words)
    assert redact_text(text) == text


@given(st.text(max_size=300))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


@pytest.mark.parametrize("text", [text for text, _ in IN_CONTEXT] + SHAPES)
def test_what_was_redacted_is_stable(text: str) -> None:
    assert redact_text(redact_text(text)) == redact_text(text)


@pytest.mark.parametrize(
    "piece",
    [
        "eyJ",
        "sk-",
        "-----BEGIN RSA PRIVATE KEY-----",
        "a",
        "a_",
        "password",
        "token=",
        "http://a:",
        "Bearer ",
        "A" * 50,
        "a:",
        '"token": "',
        "api_key: ",
        "\\",
    ],
)
def test_long_hostile_text_is_redacted_in_time_linear_in_its_length(piece: str) -> None:
    def cost(size: int) -> float:
        text = piece * (size // len(piece))
        start = time.process_time()
        redact_text(text)
        return time.process_time() - start

    # generous: quadratic time would take minutes at this size
    assert cost(400_000) < 10


# ---------------------------------------------------------------- JSON and known values


@pytest.mark.promise("9")
def test_secret_keys_lose_their_values_at_any_depth() -> None:
    value = {
        "to": "ana",
        "iban": {"number": "DE89"},
        "rows": [{"IBAN": 5, "amount": 3}],
        "password": "x",
        "apiKey": 12,
        "note": "token ghp_" + "a1" * 18,
    }
    assert redact_json(value, ["iban"]) == {
        "to": "ana",
        "iban": REDACTED,
        "rows": [{"IBAN": REDACTED, "amount": 3}],
        "password": REDACTED,
        "apiKey": REDACTED,
        "note": f"token {REDACTED}",
    }
    assert value["password"] == "x"


def test_what_only_sounds_secret_and_holds_nothing_stays() -> None:
    value = {
        "password": None,
        "has_token": True,
        "secret": "",
        "max_tokens": 100,
        "token_count": 7,
        "monkey": "x",
    }
    assert redact_json(value) == value


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("API_KEY", True),
        ("accessToken", True),
        ("SMTP_PASSWORD", True),
        ("client-secret", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("GITHUB_TOKEN", True),
        ("approval_code", True),
        ("PATH", False),
        ("HOME", False),
        ("max_tokens", False),
        ("key", False),
        ("keyboard", False),
        ("passenger", False),
        ("", False),
        ("code", False),
    ],
)
def test_a_name_says_whether_it_holds_a_credential(name: str, secret: bool) -> None:
    assert looks_secret(name) is secret


@pytest.mark.promise("9")
def test_values_of_secret_variables_are_removed_in_every_spelling() -> None:
    redactor = Redactor.of_environment(
        {"MAIL_PASSWORD": 'p ä"ss/word', "HOME": "/home/ana", "SHORT_TOKEN": "abc"}
    )
    for spelling in ('p ä"ss/word', json.dumps('p ä"ss/word'), "x=p%20%C3%A4%22ss%2Fword"):
        assert "word" not in redactor.text(f"the server said {spelling}!")
    assert redactor.text("/home/ana abc") == "/home/ana abc"
    assert redactor.json({"x": ['p ä"ss/word']}) == {"x": [REDACTED]}
    assert "word" not in repr(redactor)


def test_a_redactor_can_learn_the_values_of_secret_arguments() -> None:
    arguments = {"to": "ana", "iban": "DE89370400440532013000", "nested": {"token": 1234567890}}
    redactor = Redactor().knowing(secret_values(arguments, ["IBAN"]))
    assert redactor.text("paid to DE89370400440532013000 (1234567890)") == f"paid to {REDACTED} ({REDACTED})"


@given(
    st.text(alphabet="aAbB1/+ \n", min_size=8, max_size=40).filter(lambda text: len(text.strip()) >= 8),
    st.text(max_size=20),
)
def test_a_known_value_never_passes(secret: str, around: str) -> None:
    assert secret.strip() not in Redactor([secret]).text(around + secret + around)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    )
)
def test_redacting_keeps_the_shape_of_any_value(value: object) -> None:
    assert type(redact_json(value)) is type(value)  # type: ignore[arg-type]
