"""What is known, from our own side, of one request on its way to a server and back.

Error codes can be sent by anyone; whether a request was written cannot be read from them. So each call
carries an `Exchange` in a context variable: the transport that writes the request finds it there,
runs its guard right before the write, with no await between, and notes what became of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass

from signoff.errors import SignoffError
from signoff.model import Inquiry, Reply


@dataclass(slots=True, eq=False)
class Exchange:
    """One request, and what happened to it.

    Attributes:
        guard: raises what forbids the request; called right before it is written.
        timeout: seconds that the request may take altogether, without those in which a person is asked.
        person: answers what the server asks meanwhile; None where nobody does.
        sent: the request may have reached the server: at least one byte of it was handed over.
        refusal: what the guard raised, where the transport could not raise it to the caller.
        failure: in plain words, how the connection failed; empty where it did not.
        status: the HTTP status of the answer; None where there was none.
        retry_after: seconds, from the HTTP header; None where there was none.
        body: the beginning of an HTTP answer that is an error, as text.
        session_lost: the server said that it does not know the session: it did not act.
    """

    guard: Callable[[], None] | None = None
    timeout: float = 30.0
    person: Callable[[Inquiry], Awaitable[Reply]] | None = None
    sent: bool = False
    refusal: SignoffError | None = None
    failure: str = ""
    status: int | None = None
    retry_after: float | None = None
    body: str = ""
    session_lost: bool = False

    def begin(self) -> None:
        """Forgets an earlier answer: the SDK may follow a redirect within the server's own address."""
        self.failure, self.status, self.retry_after, self.body = "", None, None, ""
        self.session_lost = False


CURRENT: ContextVar[Exchange | None] = ContextVar("signoff_exchange", default=None)
"""The exchange of the request that the running task is about to write."""


COURTESY = Exchange(timeout=5.0)
"""Stands for the notice that a call was given up: nobody waits for it."""
