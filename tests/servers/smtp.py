"""A real SMTP server in a thread of its own, on a free port, that misbehaves on request.

How it treats a message is decided by the local part of its addresses, so that a test says it in the
letter: `refused@` is refused at RCPT, `rejected@` after the message, for `lost@` the message is taken
and the connection cut before the answer, `held@` waits for `release`, `early@` cuts at RCPT.
"""

from __future__ import annotations

import asyncio
import queue
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword


class SmtpServer:
    """What the server took, and when connections ended."""

    def __init__(self, **options: Any) -> None:
        self.taken: list[Envelope] = []
        self.holding = threading.Event()
        self.ended: queue.Queue[None] = queue.Queue()
        self.logins: list[tuple[bytes, bytes]] = []
        self.port = 0
        self._implicit_tls: ssl.SSLContext | None = options.pop("implicit_tls", None)
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._released = asyncio.Event()

    @property
    def messages(self) -> list[EmailMessage]:
        """The messages taken, parsed."""
        return [message_from_bytes(envelope.content, policy=policy.SMTP) for envelope in self.taken]

    def release(self) -> None:
        """Lets the held message go on."""
        self._loop.call_soon_threadsafe(self._released.set)

    # ------------------------------------------------------------ what aiosmtpd calls

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        local = address.partition("@")[0]
        if local == "refused":
            return "550 5.1.1 No such user"
        if local == "early":
            server.transport.abort()
        if local == "waiting":
            self.holding.set()
            await self._released.wait()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        locals_ = {address.partition("@")[0] for address in envelope.rcpt_tos}
        if "rejected" in locals_:
            return "554 5.7.1 This looks like spam"
        self.taken.append(envelope)
        if "lost" in locals_:
            server.transport.abort()
            self.release()
        if "held" in locals_:
            self.holding.set()
            await self._released.wait()
        return "250 OK"

    def authenticate(self, server, session, envelope, mechanism, data):
        """Knows one user; tells others their password, as a careless server might."""
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        if data.password == b"correct horse":
            return AuthResult(success=True)
        return AuthResult(
            success=False, handled=False, message=f"535 5.7.8 {data.password.decode()} is wrong"
        )

    # ------------------------------------------------------------ its life

    @contextmanager
    def running(self) -> Iterator[SmtpServer]:
        """Serves while the block runs."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        listener = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._end(listener), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _listen(self) -> asyncio.Server:
        owner = self

        class Watched(SMTP):
            def connection_lost(self, error):
                super().connection_lost(error)
                owner.ended.put(None)

        def protocol() -> SMTP:
            return Watched(
                self,
                hostname="test",
                loop=self._loop,
                auth_require_tls=False,
                authenticator=self.authenticate,
                **self._options,
            )

        listener = await self._loop.create_server(protocol, "127.0.0.1", 0, ssl=self._implicit_tls)
        self.port = listener.sockets[0].getsockname()[1]
        return listener

    async def _end(self, listener: asyncio.Server) -> None:
        listener.close()
        await listener.wait_closed()
        others = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
