"""What the HTTP stubs share: a real server on loopback that can be restarted and told how to behave."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, stub: Loopback, handler: type[Handler]) -> None:
        super().__init__(("127.0.0.1", stub.port), handler)
        self.stub = stub
        self.open: set[socket.socket] = set()
        if stub.tls is not None:
            self.socket = stub.tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request(self, request, client_address):
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def close_open(self) -> None:
        """Ends connections that are kept alive, as the end of a process does."""
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address):
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    """Handles the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_args):
        """Quiet."""

    @property
    def stub(self) -> Any:
        return self.server.stub

    def message(self) -> dict[str, Any]:
        """The message in the body of the request."""
        return json.loads(self.rfile.read(int(self.headers["content-length"])))

    def stranger(self) -> bool:
        """Whether the bearer token that is demanded is not there."""
        return (
            self.stub.token is not None and self.headers.get("authorization") != f"Bearer {self.stub.token}"
        )

    def answer(self, status: int, body: bytes = b"", kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if body:
            self.send_header("content-type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def drop(self) -> None:
        self.close_connection = True
        self.connection.close()


class Loopback:
    """A stub.

    Attributes:
        port: 0 for any; the same when it is started again.
        token: demands this bearer token.
        tls: speaks HTTPS with this.
    """

    handler: ClassVar[type[Handler]]
    path: ClassVar[str] = "/mcp"

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.tls = tls
        self.token: str | None = None
        self.calls: list[dict[str, Any]] = []
        self.stopping = threading.Event()
        self._next: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._server: _Server | None = None

    @property
    def base(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return self.base + self.path

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.stopping.clear()
        self._server = _Server(self, self.handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.close_open()
            self._server = None

    def next(self, **behaviour: object) -> None:
        """How the next tools/call is answered."""
        self._next.append(behaviour)

    def take(self) -> dict[str, Any]:
        with self._lock:
            return self._next.pop(0) if self._next else {}


def greeting(name: str, params: dict[str, Any]) -> dict[str, Any]:
    """What `initialize` is answered with."""
    return {
        "protocolVersion": params.get("protocolVersion", "2025-06-18"),
        "capabilities": {"tools": {"listChanged": True}},
        "serverInfo": {"name": name, "version": "1"},
    }


def content(params: dict[str, Any]) -> dict[str, Any]:
    """What a call is answered with."""
    text = str((params.get("arguments") or {}).get("text", ""))
    return {"content": [{"type": "text", "text": f"ok: {text}"}], "isError": params.get("name") == "fail"}
