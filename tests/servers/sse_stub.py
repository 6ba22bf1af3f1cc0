"""A server of the old SSE transport without the SDK, which misbehaves on request; a real one on loopback.

    with SseStub() as stub:
        stub.next(status=500)          # how the next tools/call is answered
        ... pool of {"url": stub.url, "type": "sse"} ...

What `next` takes: `status` (of the POST; nothing is acted upon), `drop=True` (the connection of the POST is
closed after acting), `error` (a JSON-RPC error as the answer), `silent=True` (acts, no answer). `hang_up()`
ends all streams. Attributes: `token` (demand this bearer token), `calls`.
"""

from __future__ import annotations

import json
import queue
import threading
import uuid
from http.server import BaseHTTPRequestHandler
from typing import Self
from urllib.parse import parse_qs, urlsplit

from servers.http_stub import TOOLS, _Server


class SseStub:
    def __init__(self) -> None:
        self.port = 0
        self.calls: list[dict[str, object]] = []
        self.token: str | None = None
        self.streams: dict[str, queue.Queue[object]] = {}
        self._next: list[dict[str, object]] = []
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/sse"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.stub = self
        self._server.setup_open()
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.hang_up()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.close_open()
            self._server = None

    def hang_up(self) -> None:
        for stream in list(self.streams.values()):
            stream.put(None)

    def next(self, **behaviour: object) -> None:
        self._next.append(behaviour)

    def take(self) -> dict[str, object]:
        return self._next.pop(0) if self._next else {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args):
        """Quiet."""

    def status(self, code: int) -> None:
        self.send_response(code)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        stub = self.server.stub
        if stub.token is not None and self.headers.get("authorization") != f"Bearer {stub.token}":
            self.status(401)
            return
        session = uuid.uuid4().hex
        stream = stub.streams[session] = queue.Queue()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.event("endpoint", f"/messages?session_id={session}")
        while (message := stream.get()) is not None:
            self.event("message", json.dumps(message))
        del stub.streams[session]
        self.close_connection = True

    def event(self, kind: str, data: str) -> None:
        self.wfile.write(f"event: {kind}\ndata: {data}\n\n".encode())
        self.wfile.flush()

    def do_POST(self) -> None:
        stub = self.server.stub
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        session = parse_qs(urlsplit(self.path).query)["session_id"][0]
        stream = stub.streams.get(session)
        if stream is None:
            self.status(404)
            return
        method, request = message.get("method"), message.get("id")
        how = stub.take() if method == "tools/call" else {}
        if "status" in how:
            self.status(how["status"])
            return
        answer = self.answer(method, message.get("params") or {}, how)
        if how.get("drop"):
            self.close_connection = True
            self.connection.close()
            return
        self.status(202)
        if request is not None and not how.get("silent"):
            stream.put({"jsonrpc": "2.0", "id": request, **answer})

    def answer(self, method: str, params: dict, how: dict) -> dict[str, object]:
        if "error" in how:
            return {"error": how["error"]}
        if method == "initialize":
            capabilities = {"tools": {"listChanged": True}}
            version = params.get("protocolVersion", "2024-11-05")
            server = {"name": "sse-stub", "version": "1"}
            return {
                "result": {"protocolVersion": version, "capabilities": capabilities, "serverInfo": server}
            }
        if method == "tools/list":
            return {"result": {"tools": TOOLS}}
        if method == "tools/call":
            self.server.stub.calls.append(params)
            text = str((params.get("arguments") or {}).get("text", ""))
            return {"result": {"content": [{"type": "text", "text": f"ok: {text}"}], "isError": False}}
        if method == "ping":
            return {"result": {}}
        return {"error": {"code": -32601, "message": f"Method not found: {method}"}}
