"""Servers over the old SSE transport, with a real server on loopback."""

from __future__ import annotations

import asyncio

import pytest

from servers.kit import Project, available, until
from servers.sse_stub import SseStub
from signoff.errors import AuthenticationFailed, OutcomeUnknown, RateLimited, Refused, ServerFault, Transient


@pytest.fixture
def stub():
    with SseStub() as stub:
        yield stub


@pytest.fixture
async def pool(stub, tmp_path):
    async with Project(tmp_path).server("old", url=stub.url, type="sse").pool() as pool:
        await pool.settled(15)
        yield pool


async def call(pool, tool="record", timeout=10, **arguments):
    return await pool.call("old", tool, arguments, timeout=timeout)


@pytest.mark.promise("8")
async def test_a_call_reaches_the_server_once_and_its_answer_comes_back(stub, pool):
    assert (await call(pool, text="hello")).text == "ok: hello"
    assert [entry["arguments"] for entry in stub.calls] == [{"text": "hello"}]
    assert (await pool.check("old")).status == "available"


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    ("behaviour", "kind", "acted"),
    [
        ({"status": 401}, AuthenticationFailed, 0),
        ({"status": 403}, AuthenticationFailed, 0),
        ({"status": 429}, RateLimited, 0),
        ({"status": 429, "retry_after": "7"}, RateLimited, 0),
        ({"status": 503}, Transient, 0),
        ({"status": 503, "retry_after": "7"}, RateLimited, 0),
        ({"status": 502}, OutcomeUnknown, 0),
        ({"status": 307}, Refused, 0),
        ({"status": 500}, ServerFault, 0),
        ({"status": 400}, Refused, 0),
        ({"drop": True}, OutcomeUnknown, 1),
        ({"error": {"code": -32602, "message": "bad"}}, Refused, 1),
        ({"error": {"code": -32603, "message": "broken"}}, ServerFault, 1),
    ],
    ids=str,
)
async def test_a_failing_post_is_that_calls_own_error_and_the_connection_goes_on(
    stub, pool, behaviour, kind, acted
):
    """Pitfall 11: in the SDK the call waits for ever, and nothing is written any more."""
    before = len(stub.calls)
    stub.next(**behaviour)
    with pytest.raises(kind) as caught:
        await call(pool, text="x")
    assert type(caught.value) is kind
    if kind is RateLimited:
        assert caught.value.retry_after == (7 if "retry_after" in behaviour else None)
    assert (await call(pool, text="after")).text == "ok: after"
    assert pool.health()["old"].restarts == 0
    if "error" not in behaviour:
        assert len(stub.calls) - before == 1 + acted


@pytest.mark.promise("1.1")
async def test_a_stream_that_is_said_to_be_elsewhere_is_not_followed(stub, tmp_path):
    with SseStub() as other:
        stub.redirect = other.url
        async with Project(tmp_path).server("old", url=stub.url, type="sse").pool() as pool:
            await pool.settled(15)
            assert (pool.health()["old"].status, pool.health()["old"].reason) == ("unavailable", "moved")
            with pytest.raises(Transient):
                await call(pool)
        assert other.streams == {}


@pytest.mark.promise("1.2")
async def test_an_answer_that_never_comes_leaves_the_outcome_unknown(stub, pool):
    stub.next(silent=True)
    with pytest.raises(OutcomeUnknown):
        await call(pool, text="x", timeout=0.2)
    assert len(stub.calls) == 1


@pytest.mark.promise("1.2")
async def test_a_stream_that_ends_in_the_middle_of_a_call_leaves_it_unknown_and_is_opened_again(stub, pool):
    stub.next(silent=True)
    waiting = asyncio.create_task(call(pool, text="x"))
    await until(lambda: stub.calls)
    stub.hang_up()
    with pytest.raises(OutcomeUnknown):
        await waiting
    await until(lambda: pool.health()["old"].restarts == 1)
    await available(pool, "old")
    assert (await call(pool, text="again")).text == "ok: again"


@pytest.mark.promise("8")
async def test_a_server_that_is_away_or_does_not_let_us_in_says_so(stub, tmp_path):
    stub.token = "s3cret-token"
    async with Project(tmp_path).server("old", url=stub.url, type="sse").pool() as pool:
        await pool.settled(15)
        assert (pool.health()["old"].status, pool.health()["old"].reason) == ("unavailable", "authentication")
    stub.stop()
    async with Project(tmp_path).server("old", url=stub.url, type="sse").pool() as pool:
        await pool.settled(15)
        assert pool.health()["old"].reason == "unreachable"
