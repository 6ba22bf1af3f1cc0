"""Logging in at remote servers, and keeping their tokens; against a real authorisation server on loopback."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import threading
import time
import urllib.parse
import urllib.request
from typing import ClassVar

import httpx2
import pytest

from servers.http_stub import HttpStub
from servers.kit import Project, available
from servers.oauth_stub import OAuthStub
from signoff.errors import AuthenticationFailed, ConfigError, RequestRefused
from signoff.servers import address, vetted
from signoff.servers.address import refusal
from signoff.servers.login import login
from signoff.servers.tokens import Grant, TokenAuth, TokenStore


@pytest.fixture
def stub():
    with OAuthStub() as stub:
        yield stub


@pytest.fixture
def project(tmp_path, stub):
    return Project(tmp_path).server("web", url=stub.url)


def browser(page_address):
    """A browser: opens the page and follows it back, in a thread of its own."""

    def open_page():
        with urllib.request.urlopen(page_address, timeout=10) as page:
            page.read()

    threading.Thread(target=open_page, daemon=True).start()


async def logged_in(project, stub):
    store = TokenStore(project.root / "oauth")
    grant = await login(project.configs()["web"], browser)
    store.write("web", stub.url, grant)
    return store


@pytest.mark.promise("8")
async def test_a_person_logs_in_through_the_browser_and_the_server_is_there_from_then_on(project, stub):
    async with project.pool(tokens=project.root / "oauth") as pool:
        await pool.settled(15)
        assert pool.health()["web"].reason == "authentication"
        assert "signoff servers login web" in pool.diagnose("web").findings[0].do
        await logged_in(project, stub)
        await pool.restart("web")
        await available(pool, "web")
        assert (await pool.call("web", "record", {"text": "in"}, timeout=10)).text == "ok: in"
    assert [asked["grant_type"] for asked in stub.grants] == ["authorization_code"]
    assert stub.grants[0]["client_id"] == "registered"
    assert stub.grants[0]["code_verifier"]
    assert stub.grants[0]["resource"] == stub.url
    assert stub.grants[0]["redirect_uri"].startswith("http://127.0.0.1:")
    async with project.pool(tokens=project.root / "oauth") as pool:
        await available(pool, "web")


@pytest.mark.promise("8")
async def test_tokens_are_kept_where_only_their_owner_reads_and_for_this_address_alone(project, stub):
    store = await logged_in(project, stub)
    (file,) = (project.root / "oauth").iterdir()
    if os.name == "posix":
        assert file.stat().st_mode & 0o077 == 0
        assert file.parent.stat().st_mode & 0o077 == 0
    grant = store.read("web", stub.url)
    assert grant.access in stub.good
    assert grant.access not in repr(grant)
    assert store.read("web", "https://elsewhere.example/mcp") is None
    assert store.read("other", stub.url) is None
    file.write_text("{")
    assert store.read("web", stub.url) is None
    assert store.forget("web", stub.url)
    assert not store.forget("web", stub.url)


@pytest.mark.promise("8")
async def test_an_expired_token_is_refreshed_once_for_all_calls_that_wait_for_it(project, stub):
    store = await logged_in(project, stub)
    grant = store.read("web", stub.url)
    async with project.pool(tokens=project.root / "oauth") as pool:
        await available(pool, "web")
        stub.void()
        stub.delay = 0.2
        results = await asyncio.gather(
            *(pool.call("web", "record", {"text": str(number)}, timeout=10) for number in range(10))
        )
    assert len(results) == len(stub.calls) == 10
    assert [asked["grant_type"] for asked in stub.grants] == ["authorization_code", "refresh_token"]
    assert stub.grants[1]["resource"] == stub.url
    kept = store.read("web", stub.url)
    assert kept.access != grant.access
    assert kept.refresh == "refresh-2"


@pytest.mark.promise("8")
async def test_calls_go_on_while_a_token_that_is_about_to_expire_is_refreshed(project, stub):
    """Pitfall 10: the SDK's provider lets no call go while another waits for its answer."""
    store = await logged_in(project, stub)
    grant = dataclasses.replace(store.read("web", stub.url), ends=time.time() + 30)
    store.write("web", stub.url, grant)
    stub.delay = 3.0
    async with project.pool(tokens=project.root / "oauth") as pool:
        await available(pool, "web")
        results = await asyncio.gather(
            *(pool.call("web", "record", {"text": str(number)}, timeout=2.5) for number in range(10))
        )
        assert len(results) == len(stub.calls) == 10
        used = {headers.get("authorization") for headers in stub.headers}
    assert used == {f"Bearer {grant.access}"}
    assert [asked["grant_type"] for asked in stub.grants] == ["authorization_code", "refresh_token"]


@pytest.mark.promise("7")
async def test_a_token_that_cannot_be_refreshed_is_an_authentication_error_and_nothing_ran(project, stub):
    await logged_in(project, stub)
    async with project.pool(tokens=project.root / "oauth") as pool:
        await available(pool, "web")
        stub.void()
        stub.refuses_refresh = True
        with pytest.raises(AuthenticationFailed):
            await pool.call("web", "record", {"text": "x"}, timeout=10)
    assert stub.calls == []


@pytest.mark.promise("8")
async def test_client_credentials_need_nobody(tmp_path, stub):
    project = Project(tmp_path).server(
        "web",
        url=stub.url,
        oauth={
            "client_id": "robot",
            "client_secret": "${ROBOT_SECRET}",
            "token_url": f"{stub.base}/token",
            "scope": "all",
        },
    )
    environ = {"ROBOT_SECRET": "robot-secret"}
    async with project.pool(environ=environ, tokens=tmp_path / "oauth") as pool:
        await available(pool, "web")
        stub.void()
        assert (await pool.call("web", "record", {"text": "x"}, timeout=10)).text == "ok: x"
        stub.next(status=400, body=f"I saw access-token-number-{stub.count} and robot-secret")
        with pytest.raises(Exception, match="HTTP 400") as caught:
            await pool.call("web", "record", {"text": "y"}, timeout=10)
        assert caught.value.detail == "I saw *** and ***"
    assert [(asked["grant_type"], asked["scope"], asked["resource"]) for asked in stub.grants] == [
        ("client_credentials", "all", stub.url)
    ] * 2
    assert "robot-secret" not in repr(project.configs(**environ))


def test_client_credentials_that_are_not_complete_are_told(tmp_path):
    project = Project(tmp_path).server(
        "web", url="https://x.org/mcp", oauth={"token_url": "https://x.org/token"}
    )
    with pytest.raises(ConfigError) as caught:
        project.configs()
    assert "client_id" in caught.value.message
    assert caught.value.line


async def test_a_server_that_wants_no_login_and_one_of_ours_say_so(tmp_path):
    with HttpStub() as open_to_all:
        project = Project(tmp_path).server("web", url=open_to_all.url).stub()
        configs = project.configs()
        with pytest.raises(RequestRefused) as caught:
            await login(configs["web"], browser)
        assert caught.value.code == "login-failed"
        with pytest.raises(RequestRefused) as local:
            await login(configs["stub"], browser)
        assert local.value.code == "not-remote"


async def test_a_login_that_is_not_finished_keeps_nothing(project):
    opened = []
    with pytest.raises(RequestRefused) as caught:
        await login(project.configs()["web"], opened.append, patience=0.5)
    assert "nobody logged in" in caught.value.message
    assert opened[0].startswith("http://127.0.0.1:")
    assert "code_challenge_method=S256" in opened[0]


async def test_a_login_that_was_turned_down_says_why(project):
    def turned_down(address):
        back = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)["redirect_uri"][0]
        browser(f"{back}?error=access_denied&error_description=Not+you")

    with pytest.raises(RequestRefused) as caught:
        await login(project.configs()["web"], turned_down)
    assert "Not you" in caught.value.message


@pytest.mark.promise("8")
@pytest.mark.parametrize("state", ["another", None])
async def test_a_login_that_comes_back_with_another_state_is_not_ours(project, stub, state):
    """Somebody else's code, slipped to us, would have us act in their account."""

    def another(address):
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)
        given = {"code": "theirs"} | ({} if state is None else {"state": state})
        browser(f"{asked['redirect_uri'][0]}?{urllib.parse.urlencode(given)}")

    with pytest.raises(RequestRefused) as caught:
        await login(project.configs()["web"], another)
    assert "state" in caught.value.message.lower()
    assert stub.grants == []


class Recorded(httpx2.AsyncHTTPTransport):
    """Sends nothing, and remembers what it was to send."""

    asked: ClassVar[list[httpx2.Request]] = []

    async def handle_async_request(self, request):
        self.asked.append(request)
        if request.url.host == "2606:4700::1":
            raise httpx2.ConnectError("no way there")
        return httpx2.Response(200, json={"access_token": "new"})


@pytest.mark.promise("8")
async def test_a_name_is_looked_up_once_and_what_was_checked_is_what_is_asked(monkeypatch):
    """A name that is public for the check and private for the connection would lead into the network."""
    looked_up, answers = [], [["2606:4700::1", "1.1.1.1"], ["127.0.0.1"]]

    def getaddrinfo(host, *_, **__):
        looked_up.append(host)
        return [(0, 0, 0, "", (address, 0)) for address in answers.pop(0)]

    monkeypatch.setattr(address.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(vetted.httpx2, "AsyncHTTPTransport", Recorded)
    monkeypatch.setattr(Recorded, "asked", [])
    async with httpx2.AsyncClient(transport=vetted.VettedTransport("https://mcp.example/mcp")) as client:
        await client.post("https://tokens.example/token", data={"refresh_token": "x"})
        assert looked_up == ["tokens.example"]
        assert [request.url.host for request in Recorded.asked] == ["2606:4700::1", "1.1.1.1"]
        for request in Recorded.asked:
            assert request.headers["host"] == "tokens.example"
            assert request.extensions["sni_hostname"] == "tokens.example", "the certificate is for the name"
        with pytest.raises(vetted.ForbiddenError):
            await client.post("https://tokens.example/token")
    assert len(Recorded.asked) == 2


@pytest.mark.promise("8")
async def test_a_token_is_not_renewed_at_an_address_that_has_moved_into_the_private_network(tmp_path):
    store = TokenStore(tmp_path / "oauth")
    url = "https://mcp.example.org/mcp"
    with OAuthStub() as stub:
        store.write("web", url, Grant("old", "refresh-1", time.time() - 1, f"{stub.base}/token", "me"))
        request = httpx2.Request("POST", url)
        flow = TokenAuth("web", url, None, store).async_auth_flow(request)
        sent = await anext(flow)
        await flow.aclose()
        assert sent.headers["authorization"] == "Bearer old"
        assert stub.grants == []


@pytest.mark.promise("8")
async def test_a_name_that_stands_for_several_addresses_is_asked_at_the_one_that_answers(stub):
    async with httpx2.AsyncClient(
        transport=vetted.VettedTransport(f"http://localhost:{stub.port}")
    ) as client:
        answer = await client.get(f"http://localhost:{stub.port}/.well-known/oauth-authorization-server")
    assert answer.json()["issuer"] == stub.base


@pytest.mark.promise("8")
@pytest.mark.parametrize("what", ["authorization_endpoint", "token_endpoint", "registration_endpoint"])
async def test_a_server_cannot_send_us_into_the_private_network(project, stub, what):
    stub.metadata = {what: "http://169.254.169.254/latest"}
    opened = []

    def show(address):
        opened.append(address)
        browser(address)

    with pytest.raises(RequestRefused) as caught:
        await login(project.configs()["web"], show)
    assert "169.254.169.254" in caught.value.message
    assert not any("169.254" in address for address in opened)


@pytest.mark.parametrize(
    ("url", "known", "allowed"),
    [
        ("https://1.1.1.1/x", "https://example.org", True),
        ("http://1.1.1.1/x", "https://example.org", False),
        ("https://10.0.0.1/x", "https://example.org", False),
        ("https://[::1]/x", "https://example.org", False),
        ("http://127.0.0.1/x", "http://127.0.0.1:8000", True),
        ("http://127.0.0.1/x", "https://example.org", False),
        ("https://10.0.0.1/x", "https://10.0.0.1/mcp", True),
        ("file:///etc/passwd", "https://example.org", False),
        ("https://me:pw@1.1.1.1/", "https://example.org", False),
        ("https://[1.1.1.1", "https://example.org", False),
        ("", "https://example.org", False),
    ],
)
def test_an_address_that_a_server_names_is_asked_only_where_that_is_safe(url, known, allowed):
    assert (refusal(url, known=known) == "") is allowed


def test_a_grant_shows_no_secret():
    grant = Grant("access-secret", refresh="refresh-secret", client_secret="client-secret")
    assert "secret" not in repr(grant)
