from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import MCPError

from signoff.errors import (
    AuthenticationFailed,
    OutcomeUnknown,
    RateLimited,
    Refused,
    ServerFault,
    Transient,
)
from signoff.servers.exchange import Exchange
from signoff.servers.outcome import Where, classify, rate_limit, read_result, timed_out

WHERE = Where("mail", "send")


def classed(code: int = -32603, message: str = "words", *, connected: bool = True, **exchange):
    exchange = {"sent": True} | exchange
    return classify(
        MCPError(code=code, message=message), Exchange(**exchange), connected=connected, where=WHERE
    )


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-32601, Refused),
        (-32602, Refused),
        (-32600, Refused),
        (-32020, Refused),
        (-32022, Refused),
        (-32603, ServerFault),
        (-32000, ServerFault),
        (0, ServerFault),
        (1234, ServerFault),
        (-32001, OutcomeUnknown),
        (429, RateLimited),
    ],
)
def test_an_error_that_the_server_sent_is_classed_by_its_code(code, kind):
    assert type(classed(code)) is kind


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    ("exchange", "kind"),
    [
        ({"status": 401}, AuthenticationFailed),
        ({"status": 403}, AuthenticationFailed),
        ({"status": 429}, RateLimited),
        ({"status": 503, "retry_after": 3.0}, RateLimited),
        ({"status": 503}, Transient),
        ({"status": 503, "body": '{"jsonrpc": "2.0"}'}, ServerFault),
        ({"status": 404, "session_lost": True}, Transient),
        ({"status": 404}, Refused),
        ({"status": 400}, Refused),
        ({"status": 307}, Refused),
        ({"status": 500}, ServerFault),
        ({"status": 501}, ServerFault),
        ({"status": 502}, OutcomeUnknown),
        ({"status": 504}, OutcomeUnknown),
        ({"status": 408}, OutcomeUnknown),
        ({"status": 202}, OutcomeUnknown),
        ({"failure": "the connection broke"}, OutcomeUnknown),
        ({"failure": "the connection broke", "status": 200}, OutcomeUnknown),
    ],
)
def test_over_http_the_status_is_believed_before_the_code(exchange, kind):
    assert type(classed(**exchange)) is kind


@pytest.mark.promise("1.2")
@given(
    code=st.integers(-33000, 1000),
    message=st.text(max_size=50),
    status=st.none() | st.integers(200, 599),
    connected=st.booleans(),
    failure=st.sampled_from(["", "it broke"]),
)
def test_what_was_not_written_is_always_not_sent_and_never_anything_else(
    code, message, status, connected, failure
):
    error = classed(code, message, connected=connected, sent=False, status=status, failure=failure)
    assert type(error) is Transient


@pytest.mark.promise("1.2")
@given(code=st.integers(-33000, 1000), connected=st.booleans(), status=st.sampled_from([None, 200, 500, 504]))
def test_what_was_written_is_never_called_not_sent_without_the_servers_word(code, connected, status):
    assert type(classed(code, connected=connected, status=status)) is not Transient


@pytest.mark.promise("1.2")
def test_a_connection_that_ended_before_the_answer_leaves_the_outcome_unknown():
    assert type(classed(-32000, connected=False)) is OutcomeUnknown


@pytest.mark.parametrize("code", [-32000, -32001, -32700, -32600])
def test_codes_that_the_sdk_makes_up_over_http_leave_the_outcome_unknown(code):
    assert type(classed(code, status=200)) is OutcomeUnknown


def test_running_out_of_time_is_unknown_only_if_it_was_written():
    assert isinstance(timed_out(Exchange(sent=True), 5, WHERE), OutcomeUnknown)
    assert type(timed_out(Exchange(sent=False), 5, WHERE)) is Transient


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit exceeded, try again in 30 seconds", 30),
        ("Too many requests. Retry after 2 minutes.", 120),
        ("You are being rate-limited", None),
        ("Please try again in 500ms", 0.5),
        ("429 Too Many Requests", None),
        ("Quota exceeded, try again in 1 hour", 3600),
        ("ThrottlingException: throttled, retry after 1.5s", 1.5),
    ],
)
def test_the_words_of_a_rate_limit_are_understood(text, seconds):
    assert rate_limit(text) == (True, seconds)


@pytest.mark.promise("1.2")
@pytest.mark.parametrize(
    "text",
    [
        "The recipient was not found",
        "Sent 3 of 5 messages, then hit the rate limit",
        "Partially done: rate limit reached",
        "The message was already sent; too many requests",
        "The article about rate limits " + "x" * 600,
        "We could not separate limited editions",
    ],
)
def test_a_text_that_may_tell_of_something_done_is_not_taken_for_a_rate_limit(text):
    assert rate_limit(text) == (False, None)


def test_a_result_is_kept_as_it_came():
    content = [{"type": "text", "text": "a"}, {"type": "image", "data": "", "mimeType": "x"}]
    content.append({"type": "text", "text": "b"})
    result = read_result({"content": content, "structuredContent": {"n": 1}}, WHERE)
    assert (result.content, result.structured, result.text) == (content, {"n": 1}, "a\nb")


@pytest.mark.promise("7")
def test_a_tool_that_says_it_failed_was_refused_with_its_own_words():
    with pytest.raises(Refused) as caught:
        read_result(
            {"isError": True, "content": [{"type": "text", "text": "no such user\nat line 3"}]}, WHERE
        )
    assert "mail.send says that it failed: no such user" in caught.value.message
    assert caught.value.detail == "no such user\nat line 3"


@pytest.mark.promise("7")
def test_a_tool_that_says_not_so_often_is_rate_limited_with_its_time():
    with pytest.raises(RateLimited) as caught:
        read_result(
            {"isError": True, "content": [{"type": "text", "text": "Rate limit: wait for 12 s"}]}, WHERE
        )
    assert caught.value.retry_after == 12


def test_an_answer_that_cannot_be_read_leaves_the_outcome_unknown():
    with pytest.raises(OutcomeUnknown) as caught:
        read_result({"content": "done"}, WHERE)
    assert caught.value.code == "answer-unreadable"
