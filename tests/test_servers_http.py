"""Servers over streamable HTTP, with a real server on loopback; each pitfall has its test."""

from __future__ import annotations

import asyncio
import time

import pytest

from servers.http_stub import HttpStub
from servers.kit import Project, available, pin_of, until
from signoff.errors import (
    AuthenticationFailed,
    OutcomeUnknown,
    RateLimited,
    Refused,
    ServerFault,
    Transient,
)
from signoff.servers.http import retry_after
from signoff.servers.pool import PinChanged
from signoff.servers.proxies import proxy_for


@pytest.fixture
def stub():
    with HttpStub() as stub:
        yield stub


@pytest.fixture
async def pool(stub, tmp_path):
    async with Project(tmp_path).server("web", url=stub.url).pool() as pool:
        await pool.settled(15)
        yield pool


async def call(pool, tool="record", timeout=10, **arguments):
    return await pool.call("web", tool, arguments, timeout=timeout)


async def test_a_call_reaches_the_server_once(stub, pool):
    assert (await call(pool, text="hello")).text == "ok: hello"
    assert [entry["arguments"] for entry in stub.calls] == [{"text": "hello"}]


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    ("behaviour", "kind", "acted"),
    [
        ({"status": 401}, AuthenticationFailed, 0),
        ({"status": 403}, AuthenticationFailed, 0),
        ({"status": 429}, RateLimited, 0),
        ({"status": 503}, Transient, 0),
        ({"status": 503, "retry_after": "5"}, RateLimited, 0),
        ({"status": 500, "acts": True}, ServerFault, 1),
        ({"status": 502, "acts": True}, OutcomeUnknown, 1),
        ({"status": 504, "acts": True}, OutcomeUnknown, 1),
        ({"status": 400}, Refused, 0),
        ({"status": 400, "json_error": {"code": -32602, "message": "bad"}}, Refused, 0),
        ({"status": 404, "json_error": {"code": -32601, "message": "what?"}}, Refused, 0),
        ({"status": 422}, Refused, 0),
        ({"status": 307}, Refused, 0),
        ({"drop": "before"}, OutcomeUnknown, 0),
        ({"drop": "after"}, OutcomeUnknown, 1),
        ({"drop": "middle"}, OutcomeUnknown, 1),
        ({"sse": "broken"}, OutcomeUnknown, 1),
        ({"accepted": True}, OutcomeUnknown, 1),
        ({"content_type": "text/html"}, OutcomeUnknown, 0),
        ({"content_type": "application/json", "body": "{not json"}, OutcomeUnknown, 0),
    ],
    ids=str,
)
async def test_a_failing_post_is_that_calls_own_error_and_the_connection_goes_on(
    stub, pool, behaviour, kind, acted
):
    """Pitfall 7: in the SDK one failing POST ends the connection for all calls."""
    stub.next(hang=0.3)
    other = asyncio.create_task(call(pool, text="meanwhile"))
    await until(lambda: stub.calls)
    stub.next(**behaviour)
    with pytest.raises(kind) as caught:
        await call(pool, text="x")
    assert type(caught.value) is kind
    assert (await other).text == "ok: meanwhile"
    assert (await call(pool, text="after")).text == "ok: after"
    assert len(stub.calls) == 2 + acted
    assert pool.health()["web"].restarts == 0


@pytest.mark.promise("7")
async def test_an_address_where_there_is_nothing_any_more_refuses(stub, tmp_path):
    stub.sessions = False
    async with Project(tmp_path).server("web", url=stub.url).pool() as pool:
        await pool.settled(15)
        stub.next(status=404)
        with pytest.raises(Refused):
            await call(pool)
    assert stub.calls == []


@pytest.mark.promise("7")
async def test_a_limit_without_a_time_says_none(stub, pool):
    stub.next(status=429)
    with pytest.raises(RateLimited) as caught:
        await call(pool)
    assert caught.value.retry_after is None


@pytest.mark.promise("7")
@pytest.mark.parametrize("status", [429, 503])
async def test_the_time_that_the_server_asks_for_is_kept(stub, pool, status):
    stub.next(status=status, retry_after="17")
    with pytest.raises(RateLimited) as caught:
        await call(pool)
    assert caught.value.retry_after == 17


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("30", 30),
        (" 5 ", 5),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("soon", None),
        ("-3", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value, seconds):
    assert retry_after(value, now=40) == seconds


async def test_an_answer_as_a_stream_is_read(stub, pool):
    stub.next(sse=True)
    assert (await call(pool, text="s")).text == "ok: s"


@pytest.mark.promise("1.2")
async def test_a_timeout_after_the_request_was_written_is_unknown(stub, pool):
    stub.next(hang=5)
    with pytest.raises(OutcomeUnknown):
        await call(pool, timeout=0.2)
    assert len(stub.calls) == 1
    assert (await call(pool, text="on")).text == "ok: on"


@pytest.mark.promise("7")
async def test_a_server_that_is_away_is_not_sent_anything_and_comes_back(stub, pool):
    stub.stop()
    with pytest.raises(Transient):
        await call(pool)
    await until(lambda: pool.health()["web"].status == "unavailable")
    assert pool.health()["web"].reason == "unreachable"
    stub.start()
    await available(pool, "web")
    assert (await call(pool, text="again")).text == "ok: again"
    assert len(stub.calls) == 1


@pytest.mark.promise("7")
async def test_a_server_that_forgot_our_session_is_connected_anew_and_the_call_was_not_made(stub, pool):
    """Pitfall 9: the SDK goes on with the lost session for ever."""
    stub.forget()
    with pytest.raises(Transient):
        await call(pool)
    await until(lambda: pool.health()["web"].restarts == 1)
    assert (await call(pool, text="anew")).text == "ok: anew"
    assert [entry["arguments"] for entry in stub.calls] == [{"text": "anew"}]


async def test_closing_a_server_that_does_not_answer_is_bounded(stub, pool):
    """Pitfall 8: the SDK waits 300 seconds for the answer to its DELETE."""
    stub.hang_delete = 60
    async with asyncio.timeout(4):
        await pool.stop()


async def test_giving_up_a_call_does_not_block_the_calls_after_it(stub, pool):
    """The notice that a call was given up is a POST, which a server may leave unanswered."""
    stub.next(hang=5)
    with pytest.raises(OutcomeUnknown):
        await call(pool, timeout=0.1)
    await until(lambda: "notifications/cancelled" in stub.notices)
    assert (await call(pool, text="on", timeout=2)).text == "ok: on"


@pytest.mark.promise("1.1")
async def test_a_redirect_to_another_address_is_not_followed(stub, pool):
    with HttpStub() as other:
        stub.next(redirect=other.url)
        with pytest.raises(Refused) as caught:
            await call(pool)
        assert other.calls == []
    assert "moved" in caught.value.message


async def test_a_redirect_within_the_address_is_followed_once(stub, pool):
    stub.next(redirect="/mcp/")
    assert (await call(pool, text="r")).text == "ok: r"
    assert len(stub.calls) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "authentication"), (403, "authentication"), (404, "not-found"), (500, "refused")],
)
async def test_a_server_that_does_not_let_us_connect_is_unavailable_with_its_reason(
    stub, tmp_path, status, reason
):
    stub.always(status=status)
    async with Project(tmp_path).server("web", url=stub.url).pool() as pool:
        await pool.settled(15)
        assert (pool.health()["web"].status, pool.health()["web"].reason) == ("unavailable", reason)
        kind = AuthenticationFailed if reason == "authentication" else Transient
        with pytest.raises(kind):
            await call(pool)


@pytest.mark.promise("8")
async def test_the_secret_in_a_header_is_sent_and_shown_nowhere(stub, tmp_path, caplog):
    stub.token = "s3cret-token-value"
    project = Project(tmp_path).server("web", url=stub.url, headers={"Authorization": "Bearer ${TOKEN}"})
    async with project.pool(environ={"TOKEN": stub.token}) as pool:
        await pool.settled(15)
        assert (await call(pool, text="in")).text == "ok: in"
        stub.next(status=400, body=f"I do not like {stub.token}")
        with pytest.raises(Refused) as caught:
            await call(pool)
        shown = (
            repr(project.configs(TOKEN=stub.token)) + str(caught.value) + caught.value.detail + caplog.text
        )
        shown += str(pool.health()) + str(pool.views())
        assert "I do not like ***" in caught.value.detail
    assert stub.token not in shown


@pytest.mark.promise("5")
async def test_over_http_too_a_definition_is_compared_right_before_the_write(stub, pool, monkeypatch):
    pin = pin_of(pool, "record", "web")
    incarnation = pool._owners["web"].incarnation
    await pool.call("web", "record", {"text": "same"}, timeout=10, pin=pin)
    changed = dict(incarnation.listing.exact) | {"record": b"changed"}
    checks = []

    class Listing:
        tools = incarnation.listing.tools

        @property
        def exact(self):
            checks.append(time.monotonic())
            return incarnation_exact if len(checks) == 1 else changed

    incarnation_exact = incarnation.listing.exact
    monkeypatch.setattr(incarnation, "listing", Listing())
    with pytest.raises(PinChanged):
        await pool.call("web", "record", {"text": "other"}, timeout=10, pin=pin)
    assert len(checks) == 2
    assert [entry["arguments"]["text"] for entry in stub.calls] == ["same"]


async def test_many_calls_at_once_each_get_their_own_answer(stub, pool):
    results = await asyncio.gather(*(call(pool, "look", text=str(n), timeout=30) for n in range(60)))
    assert [result.text for result in results] == [f"ok: {n}" for n in range(60)]


@pytest.mark.promise("8")
async def test_a_server_is_asked_through_the_proxy_that_the_environment_names(stub, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{stub.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    project = Project(tmp_path).server("web", url="http://mcp.example/mcp")
    async with project.pool() as pool:
        await available(pool, "web")
        assert (await pool.call("web", "record", {"text": "through"}, timeout=10)).text == "ok: through"
    assert {headers["host"] for headers in stub.headers} == {"mcp.example"}


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/mcp", "http://localhost/mcp", "http://[::1]:1/mcp"])
def test_this_machine_itself_is_never_asked_through_a_proxy(monkeypatch, url):
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    assert proxy_for(url) is None
    assert proxy_for("http://elsewhere.example/mcp") == "http://proxy.example:3128"
    monkeypatch.setenv("no_proxy", "elsewhere.example")
    assert proxy_for("http://elsewhere.example/mcp") is None
