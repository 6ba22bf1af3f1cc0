"""A server of the old SSE transport without the SDK, which misbehaves on request; a real one on loopback.

    with SseStub() as stub:
        stub.next(status=500)          # how the next tools/call is answered
        ... pool of {"url": stub.url, "type": "sse"} ...

What `next` takes: `status` (of the POST; nothing is acted upon; `retry_after` goes along), `drop=True` (the
connection of the POST is closed after acting), `error` (a JSON-RPC error as the answer), `silent=True` (acts,
no answer). `hang_up()` ends all streams. Attributes: `token` (demand this bearer token), `redirect` (sends
those who ask for a stream there), `calls`.
"""

from __future__ import annotations

import json
import queue
import uuid
from urllib.parse import parse_qs, urlsplit

from servers.http_stub import TOOLS
from servers.loopback import Handler, Loopback, content, greeting


class SseStub(Loopback):
    path = "/sse"

    def __init__(self) -> None:
        super().__init__()
        self.redirect: str | None = None
        self.streams: dict[str, queue.Queue[object]] = {}

    def stop(self) -> None:
        self.hang_up()
        super().stop()

    def hang_up(self) -> None:
        for stream in list(self.streams.values()):
            stream.put(None)


class _Handler(Handler):
    def do_GET(self) -> None:  # noqa: N802
        stub = self.stub
        if self.stranger():
            self.answer(401)
            return
        if stub.redirect is not None:
            self.answer(307, location=stub.redirect)
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

    def do_POST(self) -> None:  # noqa: N802
        stub, message = self.stub, self.message()
        session = parse_qs(urlsplit(self.path).query)["session_id"][0]
        stream = stub.streams.get(session)
        if stream is None:
            self.answer(404)
            return
        method, request = message.get("method"), message.get("id")
        how = stub.take() if method == "tools/call" else {}
        if "status" in how:
            headers = {"retry_after": how["retry_after"]} if "retry_after" in how else {}
            self.answer(how["status"], **headers)
            return
        answer = self.reply(method, message.get("params") or {}, how)
        if how.get("drop"):
            self.drop()
            return
        self.answer(202)
        if request is not None and not how.get("silent"):
            stream.put({"jsonrpc": "2.0", "id": request, **answer})

    def reply(self, method: str, params: dict, how: dict) -> dict[str, object]:
        if "error" in how:
            return {"error": how["error"]}
        if method == "initialize":
            return {"result": greeting("sse-stub", params)}
        if method == "tools/list":
            return {"result": {"tools": TOOLS}}
        if method == "tools/call":
            self.stub.calls.append(params)
            return {"result": content(params)}
        if method == "ping":
            return {"result": {}}
        return {"error": {"code": -32601, "message": f"Method not found: {method}"}}


SseStub.handler = _Handler
