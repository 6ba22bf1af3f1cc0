"""The `mail` server, as a process of its own, against a real SMTP server."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mcp import Client, MCPError, StdioServerParameters, types

from servers.smtp import SmtpServer
from signoff.servers.config import load_servers

ROOT = Path(__file__).parent.parent
PASSWORD = "correct horse"
LETTER = {"to": "bo@example.org", "subject": "Hello", "body": "Dear Bo"}


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    folder = tmp_path / "vault"
    folder.mkdir()
    return folder


@pytest.fixture
def smtp():
    with SmtpServer().running() as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(*form) + signed.public_bytes(serialization.Encoding.PEM))
    return path


def tls_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def to_server(server: SmtpServer, **more: str) -> dict[str, str]:
    return {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(server.port),
        "SMTP_SECURITY": "none",
        "MAIL_FROM": "Ana <ana@example.com>",
        **more,
    }


@asynccontextmanager
async def mail_server(
    vault: Path, env: dict[str, str] | None = None, errlog: Path | None = None
) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "signoff.embedded.mail", "--vault", str(vault)],
        env=env or {},
        cwd=vault.parent,
    )
    with contextlib.ExitStack() as stack:
        transport: object = parameters
        if errlog is not None:
            from mcp import stdio_client

            transport = stdio_client(parameters, errlog=stack.enter_context(errlog.open("w")))
        async with Client(transport) as client:
            yield client


async def send(client: Client, *, meta: dict | None = None, **changes: object) -> types.CallToolResult:
    return await client.call_tool("send_email", {**LETTER, **changes}, meta=meta)


async def refusal(client: Client, **changes: object) -> str:
    result = await send(client, **changes)
    assert result.is_error, result.content[0].text
    text = result.content[0].text
    assert text.endswith("The mail was NOT sent.")
    assert text.isprintable()
    return text


# ---------------------------------------------------------------- sent


async def test_a_letter_arrives_as_it_was_asked_for(vault, smtp):
    (vault / "Angebote").mkdir()
    (vault / "Angebote/Angebot – 1.pdf").write_bytes(b"%PDF\x00\xff")
    async with mail_server(vault, to_server(smtp)) as client:
        result = await send(
            client,
            to='"Doe, Bo" <bo@example.org>, Žofie <zofie@example.org>',
            cc=["cy@example.org"],
            bcc="secret@example.net",
            subject="Angebot für Žofie 🎉",
            body="Grüße\n.\n.. and a line with a dot\n",
            attachments="Angebote/Angebot – 1.pdf",
        )
    assert not result.is_error, result.content[0].text
    envelope, message = smtp.taken[0], smtp.messages[0]
    everyone = ["bo@example.org", "zofie@example.org", "cy@example.org", "secret@example.net"]
    assert (envelope.mail_from, envelope.rcpt_tos) == ("ana@example.com", everyone)
    assert str(message["From"]) == "Ana <ana@example.com>"
    assert [(a.display_name, a.addr_spec) for a in message["To"].addresses] == [
        ("Doe, Bo", "bo@example.org"),
        ("Žofie", "zofie@example.org"),
    ]
    assert str(message["Cc"]) == "cy@example.org"
    assert str(message["Subject"]) == "Angebot für Žofie 🎉"
    assert message.get_body().get_content().replace("\r\n", "\n") == "Grüße\n.\n.. and a line with a dot\n"
    assert [(p.get_filename(), p.get_payload(decode=True)) for p in message.iter_attachments()] == [
        ("Angebot – 1.pdf", b"%PDF\x00\xff")
    ]
    assert b"secret@example.net" not in envelope.content
    assert result.structured_content == {
        "message_id": str(message["Message-ID"]),
        "delivered": "smtp",
        "accepted": everyone,
        "refused": {},
        "recipients": everyone,
        "attachments": [
            {
                "path": "Angebote/Angebot – 1.pdf",
                "bytes": 6,
                "sha256": hashlib.sha256(b"%PDF\x00\xff").hexdigest(),
            }
        ],
    }
    assert "bo@example.org" in result.content[0].text


async def test_a_repeated_attempt_carries_the_same_message_id(vault, smtp):
    async with mail_server(vault, to_server(smtp)) as client:
        for key in ("plan-7/send/1", "plan-7/send/1", "plan-7/send/2"):
            await send(client, meta={"signoff/idempotency-key": key})
        await send(client)
        await send(client)
    first, second, *others = (str(message["Message-ID"]) for message in smtp.messages)
    assert first == second
    assert len({first, *others}) == 4


async def test_who_is_refused_is_named_when_others_are_accepted(vault, smtp):
    async with mail_server(vault, to_server(smtp)) as client:
        result = await send(client, to="bo@example.org, refused@example.org")
    assert not result.is_error
    assert result.structured_content["accepted"] == ["bo@example.org"]
    assert result.structured_content["refused"] == {"refused@example.org": "550: 5.1.1 No such user"}
    assert "NOT sent to refused@example.org (550: 5.1.1 No such user)" in result.content[0].text
    assert smtp.taken[0].rcpt_tos == ["bo@example.org"]


async def test_a_sender_in_the_arguments_goes_before_the_setting(vault, smtp):
    async with mail_server(vault, to_server(smtp)) as client:
        await send(client, **{"from": "cy@example.com"})
    assert smtp.taken[0].mail_from == "cy@example.com"
    assert str(smtp.messages[0]["From"]) == "cy@example.com"


# ---------------------------------------------------------------- certainly not sent


@pytest.mark.promise("7")
async def test_refusals_before_and_after_the_message_say_that_it_was_not_sent(vault, smtp):
    async with mail_server(vault, to_server(smtp)) as client:
        assert "550: 5.1.1 No such user" in await refusal(client, to="refused@example.org")
        assert "554: 5.7.1 This looks like spam" in await refusal(client, to="rejected@example.org")
        assert "closed the connection" in await refusal(client, to="early@example.org")
    assert smtp.taken == []


@pytest.mark.promise("7")
async def test_a_server_that_is_not_there_is_said_so(vault):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    env = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port), "MAIL_FROM": "ana@example.com"}
    async with mail_server(vault, env) as client:
        assert "refused the connection" in await refusal(client)
    env["SMTP_HOST"] = "mail.invalid"
    async with mail_server(vault, env) as client:
        assert "mail.invalid" in await refusal(client)


@pytest.mark.promise("7")
async def test_a_failed_login_says_so_without_the_password(vault, smtp, tmp_path):
    wrong = "hunter2 \\o/"
    env = to_server(smtp, SMTP_USER="ana", SMTP_PASSWORD=wrong)
    async with mail_server(vault, env, errlog=tmp_path / "stderr") as client:
        text = await refusal(client)
    assert "authentication failed (535" in text
    assert "[password]" in text  # the server had repeated it
    for place in (text, (tmp_path / "stderr").read_text()):
        assert "hunter2" not in place
    assert smtp.logins
    assert smtp.taken == []


async def test_a_login_that_works_sends(vault, smtp):
    env = to_server(smtp, SMTP_USER="ana@example.com", SMTP_PASSWORD=PASSWORD, MAIL_FROM="")
    async with mail_server(vault, env) as client:
        result = await send(client)
    assert not result.is_error, result.content[0].text
    assert smtp.logins == [(b"ana@example.com", PASSWORD.encode())]
    assert smtp.taken[0].mail_from == "ana@example.com"


@pytest.mark.promise("8")
async def test_no_password_goes_over_a_connection_that_should_be_encrypted_and_is_not(vault, smtp):
    env = to_server(smtp, SMTP_SECURITY="", SMTP_USER="ana", SMTP_PASSWORD=PASSWORD)
    async with mail_server(vault, env) as client:
        assert "STARTTLS" in await refusal(client)
    assert smtp.logins == []
    assert smtp.taken == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_encrypted_connections_send_where_the_certificate_is_trusted_and_only_there(
    vault, certificate, security
):
    context = tls_context(certificate)
    options = {"tls_context": context} if security == "starttls" else {"implicit_tls": context}
    with SmtpServer(**options).running() as smtp:
        env = to_server(smtp, SMTP_SECURITY=security, SMTP_USER="ana", SMTP_PASSWORD=PASSWORD)
        async with mail_server(vault, env) as client:
            assert "certificate" in await refusal(client)
        assert smtp.logins == []
        async with mail_server(vault, {**env, "SSL_CERT_FILE": str(certificate)}) as client:
            result = await send(client)
        assert not result.is_error, result.content[0].text
        assert len(smtp.taken) == 1


async def test_a_call_that_is_cancelled_before_the_message_is_complete_sends_nothing(vault, smtp):
    async with mail_server(vault, to_server(smtp)) as client:
        call = asyncio.create_task(send(client, to="waiting@example.org"))
        await asyncio.to_thread(smtp.holding.wait)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await client.list_tools()  # the server has read the cancellation
        smtp.release()
        await asyncio.to_thread(smtp.ended.get)
    assert smtp.taken == []


# ---------------------------------------------------------------- nobody knows


@pytest.mark.promise("7")
async def test_a_connection_lost_after_the_message_gets_no_answer_so_that_the_outcome_is_unknown(
    vault, smtp, tmp_path
):
    async with mail_server(vault, to_server(smtp), errlog=tmp_path / "stderr") as client:
        with pytest.raises(MCPError) as caught:
            await send(client, to="lost@example.org")
    assert caught.value.error.code == types.CONNECTION_CLOSED
    assert len(smtp.taken) == 1  # it had been sent: "failed" would have been a lie
    said = (tmp_path / "stderr").read_text()
    assert "may have been sent, or not" in said
    assert "Traceback" not in said


def test_a_lost_outcome_ends_the_process_with_nothing_on_its_output(vault, smtp):
    command = [sys.executable, "-m", "signoff.embedded.mail", "--vault", str(vault)]
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    requests = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "send_email", "arguments": {**LETTER, "to": "lost@example.org"}},
        },
    ]
    env = {**os.environ, **to_server(smtp)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True
    ) as process:
        for request in requests:
            process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answers = [json.loads(line)["id"] for line in process.stdout]  # to its end, with our end still open
        assert process.wait(timeout=30) == 75
    assert answers == [1]


@pytest.mark.promise("7")
async def test_calls_beside_the_one_that_was_lost_are_finished_and_answered(vault, smtp):
    async with mail_server(vault, to_server(smtp)) as client:
        beside = asyncio.create_task(send(client, to="held@example.org"))
        await asyncio.to_thread(smtp.holding.wait)
        with pytest.raises(MCPError):
            await send(client, to="lost@example.org")
        result = await beside
    assert not result.is_error
    assert result.structured_content["accepted"] == ["held@example.org"]


# ---------------------------------------------------------------- the outbox


@pytest.mark.promise("1.5")
async def test_with_no_smtp_host_the_message_lies_in_the_outbox_and_the_result_says_so(vault):
    (vault / "a.txt").write_text("attached")
    env = {"SMTP_HOST": "", "MAIL_FROM": "ana@example.com"}
    async with mail_server(vault, env) as client:
        result = await send(client, bcc="secret@example.net", attachments=["a.txt"])
    assert not result.is_error
    said = result.structured_content
    path = Path(said["path"])
    assert (said["delivered"], said["accepted"]) == ("outbox", [])
    assert "Nothing was sent" in result.content[0].text
    assert str(path) in result.content[0].text
    assert path.parent == (vault / "Outbox").resolve()
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert (str(message["To"]), str(message["Message-ID"])) == ("bo@example.org", said["message_id"])
    assert message.get_body().get_content().strip() == "Dear Bo"
    assert [part.get_filename() for part in message.iter_attachments()] == ["a.txt"]
    assert b"secret@example.net" not in path.read_bytes()
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o077 == 0


async def test_a_repeated_attempt_finds_its_message_in_the_outbox(vault, tmp_path):
    outbox = tmp_path / "elsewhere" / "outbox"
    async with mail_server(vault, {"MAIL_OUTBOX": str(outbox)}) as client:
        first = await send(client, meta={"signoff/idempotency-key": "k"})
        before = {path: path.read_bytes() for path in outbox.iterdir()}
        second = await send(client, meta={"signoff/idempotency-key": "k"})
    assert first.structured_content == second.structured_content
    assert "earlier attempt" in second.content[0].text
    assert {path: path.read_bytes() for path in outbox.iterdir()} == before
    assert len(before) == 1


async def test_an_outbox_that_is_a_file_is_said_so(vault, tmp_path):
    (tmp_path / "outbox").write_text("x")
    async with mail_server(vault, {"MAIL_OUTBOX": str(tmp_path / "outbox")}) as client:
        assert "outbox" in await refusal(client)


# ---------------------------------------------------------------- arguments


@pytest.mark.promise("8")
async def test_arguments_that_could_mislead_are_refused_before_anything_is_done(vault, smtp):
    injection = "bo@example.org\r\nBcc: eve@example.net"
    async with mail_server(vault, to_server(smtp)) as client:
        for field in ("to", "cc", "bcc", "from"):
            assert f"`{field}`" in await refusal(client, **{field: injection})
            assert f"`{field}`" in await refusal(client, **{field: "bo\u202e@example.org"})
            assert f"`{field}`" in await refusal(client, **{field: "no address"})
        assert "`subject`" in await refusal(client, subject="Hello\nBcc: eve@example.net")
        assert "`body`" in await refusal(client, body="a\x00b")
        assert "to" in await refusal(client, to=[])
        assert "100 recipients" in await refusal(client, cc=[f"a{n}@example.org" for n in range(100)])
        assert "required" in (await client.call_tool("send_email", {"to": "bo@example.org"})).content[0].text
        assert "html" in await refusal(client, html="<b>x</b>")
    assert smtp.taken == []


@pytest.mark.promise("8")
async def test_attachments_come_from_inside_the_vault_only(vault, smtp, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (vault / ".obsidian").mkdir()
    (vault / ".obsidian/app.json").write_text("{}")
    (vault / "folder").mkdir()
    bad = [
        "../secret.txt",
        str(tmp_path / "secret.txt"),
        "folder",
        ".obsidian/app.json",
        "none.txt",
        "",
        "a\x00b",
    ]
    if sys.platform != "win32":
        (vault / "link.txt").symlink_to(tmp_path / "secret.txt")
        (vault / "away").symlink_to(tmp_path)
        os.mkfifo(vault / "pipe")
        bad += ["link.txt", "away/secret.txt", "pipe"]
    async with mail_server(vault, to_server(smtp)) as client:
        for path in bad:
            await refusal(client, attachments=[path])
    assert smtp.taken == []


async def test_attachments_over_twenty_megabytes_together_are_refused(vault, smtp):
    (vault / "a.bin").write_bytes(bytes(15_000_000))
    (vault / "b.bin").write_bytes(bytes(5_000_001))
    async with mail_server(vault, to_server(smtp)) as client:
        assert "20,000,000" in await refusal(client, attachments=["a.bin", "b.bin"])
    assert smtp.taken == []


@pytest.mark.promise("8")
async def test_the_annotations_say_that_sending_reaches_the_world_and_is_not_repeatable(vault):
    async with mail_server(vault) as client:
        (tool,) = (await client.list_tools()).tools
    hints = tool.annotations
    assert tool.name == "send_email"
    assert (hints.read_only_hint, hints.destructive_hint) == (False, False)
    assert (hints.idempotent_hint, hints.open_world_hint) == (False, True)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({"SMTP_PORT": "smtp"}, "SMTP_PORT"),
        ({"SMTP_PORT": "0"}, "SMTP_PORT"),
        ({"SMTP_PORT": "65536"}, "SMTP_PORT"),
        ({"SMTP_SECURITY": "maybe"}, "SMTP_SECURITY"),
        ({"SMTP_USER": "ana"}, "SMTP_PASSWORD"),
        ({"SMTP_PASSWORD": "hunter2"}, "SMTP_USER"),
        ({"SMTP_HOST": "mail server"}, "SMTP_HOST"),
        ({"MAIL_FROM": "no address"}, "MAIL_FROM"),
    ],
)
def test_a_wrong_setting_is_refused_at_the_start(vault, env, name):
    ended = subprocess.run(
        [sys.executable, "-m", "signoff.embedded.mail", "--vault", str(vault)],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "SMTP_HOST": "127.0.0.1", **env},
        timeout=60,
    )
    assert ended.returncode == 2
    assert name in ended.stderr
    assert "Nothing was started" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "hunter2" not in ended.stderr


async def test_no_sender_is_said_so_when_there_is_a_server(vault, smtp):
    async with mail_server(vault, to_server(smtp, MAIL_FROM="")) as client:
        assert "MAIL_FROM" in await refusal(client)
    assert smtp.taken == []


def test_the_sample_list_of_servers_is_the_one_that_init_ships():
    sample = ROOT / "config/mcp_servers.json"
    assert sample.read_bytes() == (ROOT / "daemon/signoff/data/config/mcp_servers.json").read_bytes()
    servers = json.loads(sample.read_text())["mcpServers"]
    assert servers["vault"]["args"][:2] == ["-m", "signoff.embedded.vault"]
    assert servers["mail"]["args"][:2] == ["-m", "signoff.embedded.mail"]
    assert all(value == f"${{{name}:-}}" for name, value in servers["mail"]["env"].items())


def test_the_sample_list_of_servers_needs_no_variable_to_be_set():
    servers = load_servers(ROOT / "config/mcp_servers.json", {})
    assert {name: server.missing for name, server in servers.items()} == {"vault": (), "mail": ()}
