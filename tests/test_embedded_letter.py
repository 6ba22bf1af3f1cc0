"""Addresses and messages: what is accepted reads back as it was meant."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.embedded.inside import BadName, check_name, invisible
from signoff.embedded.letter import (
    Attachment,
    Letter,
    check_body,
    check_subject,
    compose,
    message_id,
    read_address,
    read_addresses,
)
from signoff.embedded.tools import NotDone

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
ANA = Address("Ana", addr_spec="ana@example.com")


def letter(**changes: object) -> Letter:
    parts = {
        "sender": ANA,
        "to": (Address(addr_spec="bo@example.org"),),
        "cc": (),
        "bcc": (),
        "subject": "Hello",
        "body": "Text",
        "attachments": (),
        "message_id": "<1@example.com>",
    }
    return Letter(**{**parts, **changes})


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("a@b.example", "", "a@b.example"),
        (" a@b.example ", "", "a@b.example"),
        ("Ana Maria <a.b+tag@mail.example.com>", "Ana Maria", "a.b+tag@mail.example.com"),
        ('"Doe, Ana" <a@b.example>', "Doe, Ana", "a@b.example"),
        ("Žofie <a@b.example>", "Žofie", "a@b.example"),
        ("<a@b.example>", "", "a@b.example"),
        ("root@localhost", "", "root@localhost"),
        ("a@xn--bcher-kva.example", "", "a@xn--bcher-kva.example"),
    ],
)
def test_addresses_are_read_with_their_names(text, name, address):
    read = read_address(text, "to")
    assert (read.display_name, read.addr_spec) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@b.example",
        "a@",
        "a@@b.example",
        "a@b@c.example",
        "a b@c.example",
        "a@b..example",
        "a@-b.example",
        "a@b.example-",
        "a@.example",
        "a.@b.example",
        ".a@b.example",
        '"a b"@c.example',
        "a@[127.0.0.1]",
        "a@b.example\nBcc: c@d.example",
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example\x00",
        "a\u202e@b.example",
        "a\u200b@b.example",
        "Ana\u202emoc <a@b.example>",
        "Ana\nBcc: x <a@b.example>",
        "ä@b.example",
        "a@bücher.example",
        "a@ex\u0430mple.com",
        "Ana <a@b.example> <c@d.example>",
        "Ana <a@b.example>, c@d.example",
        "a@b.example>",
        "<a@b.example",
        "a@b.example (comment)",
        "x" * 65 + "@b.example",
        "a@" + "b." * 130 + "example",
        "a@b.example;c@d.example",
        "group: a@b.example;",
    ],
)
def test_what_is_not_exactly_one_address_is_refused(text):
    with pytest.raises(NotDone):
        read_address(text, "to")


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (None, []),
        ("", []),
        ([], []),
        ("a@b.example, c@d.example", ["a@b.example", "c@d.example"]),
        ('"Doe, Ana" <a@b.example>,c@d.example', ["a@b.example", "c@d.example"]),
        (["a@b.example", "Ana <c@d.example>"], ["a@b.example", "c@d.example"]),
    ],
)
def test_lists_of_addresses_come_as_lists_or_with_commas(value, addresses):
    assert [address.addr_spec for address in read_addresses(value, "cc")] == addresses


@pytest.mark.parametrize(
    "value",
    [
        "a@b.example,",
        ",a@b.example",
        "a@b.example,,c@d.example",
        "a@b.example;c@d.example",
        '"Ana <a@b.example>',
        ["a@b.example,c@d.example"],
        [""],
    ],
)
def test_lists_that_can_be_read_in_two_ways_are_refused(value):
    with pytest.raises(NotDone):
        read_addresses(value, "to")


visible = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=80)
local = st.text(string.ascii_letters + string.digits + "+_-", min_size=1, max_size=20)
plain_address = st.builds("{}@{}.example".format, local, st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True))
named = visible.map(lambda name: name.replace('"', "").replace("\\", ""))


@given(name=named, plain=plain_address)
def test_every_name_that_is_accepted_reads_back_beside_its_address_only(name, plain):
    read = read_address(f'"{name}" <{plain}>', "to")
    data = compose(letter(to=(read,)), NOW)
    found = message_from_bytes(data, policy=policy.default)["To"].addresses
    assert [address.addr_spec for address in found] == [plain]


@given(subject=visible, body=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=300))
def test_subject_and_body_come_back_as_they_were(subject, body):
    data = compose(letter(subject=check_subject(subject), body=check_body(body)), NOW)
    read = message_from_bytes(data, policy=policy.default)
    assert read.get_content() == body + "\r\n"
    assert " ".join(str(read["Subject"]).split()) == " ".join(subject.split())
    assert set(read.keys()) >= {"From", "To", "Subject", "Date", "Message-ID"}


@given(subject=st.text(max_size=80), name=st.text(max_size=40), body=st.text(max_size=200))
def test_no_text_adds_a_header_or_a_bare_line_end(subject, name, body):
    try:
        to = read_address(f'"{name}" <bo@example.org>', "to")
        data = compose(letter(to=(to,), subject=check_subject(subject), body=check_body(body)), NOW)
    except NotDone:
        return
    assert data.isascii()
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    names = [key.lower() for key in message_from_bytes(data, policy=policy.default)]
    assert sorted(names) == sorted(set(names))
    assert "bcc" not in names


@pytest.mark.parametrize(
    "subject", ["a\nBcc: x@y.example", "a\r\nb", "a\x00", "a\u202eb", "a\ud800", "x" * 901]
)
def test_a_subject_that_breaks_the_line_or_hides_something_is_refused(subject):
    with pytest.raises(NotDone, match="subject"):
        check_subject(subject)


@pytest.mark.parametrize("body", ["a\x00b", "a\x1b[31m", "\ud800"])
def test_a_body_with_control_characters_is_refused(body):
    with pytest.raises(NotDone, match="body"):
        check_body(body)


def test_bcc_is_in_the_envelope_and_in_no_header():
    sent = letter(bcc=(Address(addr_spec="secret@example.net"),))
    assert sent.recipients == ("bo@example.org", "secret@example.net")
    assert b"secret" not in compose(sent, NOW)


def test_an_address_named_twice_is_one_recipient():
    bo = Address(addr_spec="bo@example.org")
    assert letter(cc=(bo,), bcc=(bo,)).recipients == ("bo@example.org",)


def test_attachments_come_back_whole_under_their_names():
    files = (
        Attachment("a/Angebot – 1.pdf", b"%PDF\r\n\x00\xff"),
        Attachment("notes.md", b"# x\n"),
        Attachment("x", b""),
    )
    read = message_from_bytes(compose(letter(attachments=files), NOW), policy=policy.default)
    parts = [(part.get_filename(), part.get_payload(decode=True)) for part in read.iter_attachments()]
    assert parts == [("Angebot – 1.pdf", b"%PDF\r\n\x00\xff"), ("notes.md", b"# x\n"), ("x", b"")]
    assert read.get_body().get_content() == "Text\r\n"


def test_an_attached_message_is_sent_as_bytes():
    files = (Attachment("a.eml", b"Subject: x\r\nBcc: y@z.example\r\n\r\nz"),)
    read = message_from_bytes(compose(letter(attachments=files), NOW), policy=policy.default)
    assert [part.get_content_type() for part in read.iter_attachments()] == ["application/octet-stream"]


def test_the_same_key_gives_the_same_message_id_and_none_a_fresh_one():
    assert message_id("k", ANA) == message_id("k", ANA) != message_id("l", ANA)
    assert message_id(None, ANA) != message_id(None, ANA)
    assert message_id("k", ANA).endswith("@example.com>")


@given(st.text(max_size=60))
def test_every_name_that_is_accepted_stays_below_its_folder(name):
    try:
        check_name(name)
    except BadName:
        return
    assert not invisible(name)
    assert not {"..", ".", ""} & set(name.split("/"))
    root = Path("/vault")
    assert (root / name).resolve().is_relative_to(root) or (root / name).is_symlink()
