"""Whatever a server does wrong ends in the right class, and harms no other. One test a line of the list.

What is tested elsewhere: HTTP statuses, redirects and broken answers in `test_servers_http` and
`test_servers_sse`, and for whole plans in `test_outcomes_http`; garbage, invalid UTF-8 and floods in
`test_servers_stdio`; SIGTERM and children in `test_servers_processes`; changing tools in `test_servers_pool`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import ipaddress
import json
import os
import ssl
import sys
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from servers.http_stub import HttpStub
from servers.kit import STUB, Project, available, is_running, until
from signoff.errors import OutcomeUnknown, Refused, Transient
from signoff.servers.stderr import LARGEST_FILE

ODD = Path(__file__).parent / "servers" / "odd.py"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def odd(project, *options, name="odd"):
    return project.server(name, command=sys.executable, args=[str(ODD), *options])


# ---------------------------------------------------------------- starting


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    ("entry", "reason", "words"),
    [
        ({"command": "/no/such/program"}, "command-not-found", "was not found"),
        ({"command": "${SIGNOFF_PYTHON}", "args": ["-c", "raise SystemExit(4)"]}, "exited", "code 4"),
        ({"command": "${SIGNOFF_PYTHON}", "args": ["-c", "import os; os.abort()"]}, "exited", "signal 6"),
        ({"command": "${SIGNOFF_PYTHON}", "args": ["-c", "print('hello')"]}, "exited", "code 0"),
        ({"command": "/etc/hostname"}, "cannot-start", "could not be started"),
    ],
    ids=["missing", "exits at once", "aborts", "prints and exits", "not a program"],
)
async def test_a_server_that_does_not_start_is_unavailable_and_a_call_is_not_sent(
    project, entry, reason, words
):
    project.server("bad", **entry).stub()
    async with project.pool() as pool:
        await pool.settled(15)
        assert (pool.health()["bad"].status, pool.health()["bad"].reason) == ("unavailable", reason)
        assert words in pool.health()["bad"].message
        assert pool.diagnose("bad").findings[0].do
        with pytest.raises(Transient):
            await pool.call("bad", "look", {}, timeout=5)
        assert (await pool.call("stub", "look", {"text": "well"}, timeout=5)).text == "ok: well"


async def test_a_server_that_never_answers_costs_its_time_and_no_other_server_waits(project):
    project.stub("--mute", name="mute").stub()
    async with project.pool(connect_timeout=0.5) as pool:
        await available(pool)
        with pytest.raises(Transient):
            await pool.call("mute", "look", {}, timeout=10)
        assert pool.health()["mute"].reason == "timeout"


# ---------------------------------------------------------------- listing


async def test_ten_thousand_tools_are_listed_found_and_called(project):
    async with project.stub("--extra", "9984", "--page-size", "2500").pool() as pool:
        await pool.settled(60)
        assert len(pool.view("stub").tools) == 10_000
        assert pool.registry.find("extra 9984")[0].name == "stub.extra-9984"
        assert (await pool.call("stub.extra-9984", {"text": "last"}, timeout=10)).text == "ok: last"


async def test_two_tools_of_one_name_are_both_not_used_and_the_server_says_so(project):
    tools = [
        {"name": "do", "inputSchema": {"type": "object"}},
        {"name": "do", "description": "Something else.", "inputSchema": {"type": "object"}},
        {"name": "other", "inputSchema": {"type": "object"}},
    ]
    async with odd(project, "--tools", json.dumps(tools)).pool() as pool:
        await pool.settled(15)
        health = pool.health()["odd"]
        assert (health.status, health.reason) == ("degraded", "tools-ambiguous")
        with pytest.raises(Refused) as caught:
            await pool.call("odd", "do", {}, timeout=5)
        assert caught.value.code == "unknown-tool"
        assert (await pool.call("odd", "other", {}, timeout=5)).text == "done"


@pytest.mark.parametrize(
    "tools", ["5", '[{"name": 7}]', '[{"inputSchema": {}}]', '[{"name": "do"}]', '{"do": {}}', "null"]
)
async def test_a_list_of_tools_that_is_none_makes_the_server_unavailable(project, tools):
    async with odd(project, "--tools", tools).pool() as pool:
        await pool.settled(15)
        assert (pool.health()["odd"].status, pool.health()["odd"].reason) == ("unavailable", "protocol")
        with pytest.raises(Transient):
            await pool.call("odd", "do", {}, timeout=5)


# ---------------------------------------------------------------- answering


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    "result",
    ['{"content": "text"}', '{"content": [5]}', '{"content": {"type": "text"}}', "[]", "5", '"done"', "null"],
)
async def test_a_result_of_the_wrong_type_leaves_the_outcome_unknown_for_it_ran(project, result):
    async with odd(project, "--result", result).pool() as pool:
        await pool.settled(15)
        with pytest.raises(OutcomeUnknown):
            await pool.call("odd", "do", {}, timeout=2)
        assert (await pool.check("odd")).status == "available"


async def test_an_answer_that_breaks_off_in_the_middle_leaves_the_outcome_unknown(project):
    async with odd(project, "--half").pool() as pool:
        await pool.settled(15)
        with pytest.raises(OutcomeUnknown):
            await pool.call("odd", "do", {}, timeout=10)
        await available(pool, "odd")


async def test_an_answer_that_comes_again_and_again_is_one_answer(project):
    async with odd(project, "--repeat", "5").pool() as pool:
        await pool.settled(15)
        for _ in range(3):
            assert (await pool.call("odd", "do", {}, timeout=5)).text == "done"
        assert pool.health()["odd"].restarts == 0


async def test_a_late_answer_is_nobodys_and_the_next_call_gets_its_own(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        with pytest.raises(OutcomeUnknown):
            await pool.call("stub", "slow", {"seconds": 0.3, "text": "late"}, timeout=0.1)
        assert (
            await pool.call("stub", "slow", {"seconds": 0.4, "text": "own"}, timeout=10)
        ).text == "ok: own"


async def test_a_flood_of_notices_delays_nothing_but_the_server_itself(project):
    odd(project, "--flood", "20000").stub()
    async with project.pool() as pool:
        await pool.settled(15)
        flooded = asyncio.create_task(pool.call("odd", "do", {}, timeout=60))
        assert (await pool.call("stub", "look", {"text": "quick"}, timeout=10)).text == "ok: quick"
        assert (await flooded).text == "done"


@pytest.mark.slow
async def test_a_line_of_a_hundred_megabytes_ends_the_connection_and_the_outcome_is_unknown(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        with pytest.raises(OutcomeUnknown):
            await pool.call("stub", "big", {"bytes": 100_000_000}, timeout=60)
        await available(pool)
        assert len((await pool.call("stub", "big", {"bytes": 10_000_000}, timeout=60)).text) == 10_000_000


async def test_what_a_server_writes_to_stderr_is_read_and_kept_within_bounds(project):
    async with odd(project, "--noise", "5000000").pool() as pool:
        await pool.settled(15)
        for _ in range(2):
            assert (await pool.call("odd", "do", {}, timeout=30)).text == "done"
    files = sorted((project.root / "logs" / "servers").iterdir())
    assert [file.name for file in files] == ["odd.stderr", "odd.stderr.1"]
    assert all(file.stat().st_size <= LARGEST_FILE for file in files)


# ---------------------------------------------------------------- encryption


class Authority:
    """Signs certificates for servers on this machine; who has its file trusts them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of tests")])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self.file = folder / "authority.pem"
        signed = self._signed(self.name, self.key, (constraints, True))
        self.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def _signed(self, name, key, extension, days=1, by=None):
        now = dt.datetime.now(dt.UTC)
        signer = self.key if by is None else by
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name if by is None else name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=30))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(extension[0], critical=extension[1])
            .sign(signer, hashes.SHA256())
        )

    def context(self, *, address="127.0.0.1", days=1, self_signed=False):
        """What a server speaks TLS with."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        certificate = self._signed(name, key, (names, False), days, key if self_signed else None)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = self.folder / "server.pem"
        file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture
def authority(tmp_path, monkeypatch):
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


async def test_a_server_whose_certificate_is_valid_is_called(project, authority):
    with HttpStub(tls=authority.context()) as stub:
        async with project.server("web", url=stub.url).pool() as pool:
            await pool.settled(15)
            assert (await pool.call("web.record", {"text": "safe"}, timeout=10)).text == "ok: safe"


@pytest.mark.promise("8")
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"days": -1}, "certificate has expired"),
        ({"address": "127.0.0.2"}, "not valid for '127.0.0.1'"),
        ({"self_signed": True}, "self-signed certificate"),
    ],
    ids=["expired", "of another", "signed by nobody"],
)
@pytest.mark.parametrize("kind", ["http", "sse"])
async def test_a_server_whose_certificate_is_not_valid_is_sent_nothing(
    project, authority, kind, wrong, words
):
    with HttpStub(tls=authority.context(**wrong)) as stub:
        async with project.server("web", url=stub.url, type=kind).pool() as pool:
            await pool.settled(15)
            health = pool.health()["web"]
            assert (health.status, health.reason) == ("unavailable", "certificate")
            assert words in health.message
            assert "renew its certificate" in health.do
            with pytest.raises(Transient):
                await pool.call("web", "look", {}, timeout=5)
        assert stub.headers == []


# ---------------------------------------------------------------- for months


@pytest.mark.slow
@pytest.mark.promise("8")
@pytest.mark.skipif(sys.platform == "win32", reason="counts descriptors")
async def test_two_hundred_restarts_leak_no_process_no_descriptor_and_no_memory(project):
    me = psutil.Process()
    async with project.stub("--child").pool() as pool:

        async def restarted(times):
            for _ in range(times):
                before = pool.health()["stub"].restarts
                await pool.restart("stub")
                await until(lambda: pool.health()["stub"].restarts > before)  # noqa: B023
                await available(pool)
                await pool.call("stub", "look", {"text": "a"}, timeout=10)

        await pool.settled(15)
        await restarted(20)
        gc.collect()
        descriptors, memory, tasks = me.num_fds(), me.memory_info().rss, len(asyncio.all_tasks())
        await restarted(180)
        gc.collect()
        assert len(project.running()) == 2
        assert me.num_fds() <= descriptors + 2
        assert len(asyncio.all_tasks()) <= tasks + 2
        assert me.memory_info().rss - memory < 8_000_000
        pids = project.pids()
    assert len(set(pids)) == 402
    assert not any(is_running(pid) for pid in pids)
    assert not [child for child in me.children() if str(STUB) in " ".join(child.cmdline())]
    assert os.getpid() == me.pid
