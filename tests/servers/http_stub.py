"""A streamable HTTP MCP server without the SDK, which misbehaves on request; a real server on loopback.

In a test:

    with HttpStub() as stub:
        stub.next(status=429, retry_after="7")     # how the next tools/call is answered
        ... pool of {"url": stub.url} ...
        stub.calls                                 # the calls that were acted upon

As a program: `python tests/servers/http_stub.py [--port N] [--log FILE]` prints its address and serves.

Tools: record(text), look(text) (read-only), fail(text), slow(seconds). Answers are JSON, or an event stream
with `sse=True`. What `next` (for one tools/call) and `always` (for every POST) take:

    status=N          answer with this status; retry_after, body and json_error (a JSON-RPC error) go along
    acts=True         act all the same, before answering with that status
    drop="before"     close the connection before acting; "after": act, then close it; "middle": act,
                      then close it in the middle of the answer
    hang=SECONDS      act, then answer so much later
    redirect=URL      answer 307 with this Location
    sse=True          answer with an event stream; "broken" ends the stream without an answer
    accepted=True     answer 202 and nothing else
    content_type=T    answer 200 with this type and `body`

Attributes to set: `when` (by the text of a call, what `next` takes), `sessions` (give out session ids; True
by default), `token` (demand this bearer token), `hang_delete` (seconds before a DELETE is answered), `tools`
(the definitions). `forget()` forgets all sessions; `stop()` and `start()` restart it on the same port.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import threading
import time
import uuid

from servers.loopback import Handler, Loopback, content, greeting

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}
TOOLS = [
    {
        "name": "record",
        "description": "Appends.",
        "inputSchema": TEXT,
        "annotations": {"readOnlyHint": False},
    },
    {"name": "look", "description": "Looks.", "inputSchema": TEXT, "annotations": {"readOnlyHint": True}},
    {"name": "fail", "description": "Fails.", "inputSchema": TEXT},
    {"name": "slow", "description": "Takes its time.", "inputSchema": {"type": "object"}},
]


class HttpStub(Loopback):
    def __init__(self, port: int = 0, log: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(port, tls)
        self.log = log
        self.notices: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.sessions = True
        self.known: set[str] = set()
        self.hang_delete = 0.0
        self.tools = TOOLS
        self.every: dict[str, object] = {}
        self.when: dict[object, dict[str, object]] = {}

    def always(self, **behaviour: object) -> None:
        self.every = behaviour

    def forget(self) -> None:
        self.known.clear()

    def act(self, params: dict[str, object]) -> None:
        entry = {
            "tool": params["name"],
            "arguments": params.get("arguments") or {},
            "meta": params.get("_meta") or {},
            "time": time.time(),
        }
        with self._lock:
            self.calls.append(entry)
            if self.log:
                with open(self.log, "a", encoding="utf-8") as file:
                    file.write(json.dumps(entry) + "\n")
                    file.flush()
                    os.fsync(file.fileno())


class HttpHandler(Handler):
    def do_GET(self) -> None:  # noqa: N802
        self.answer(405)

    def do_DELETE(self) -> None:  # noqa: N802
        self.stub.stopping.wait(self.stub.hang_delete)
        self.stub.known.discard(self.headers.get("mcp-session-id", ""))
        self.answer(200)

    def do_POST(self) -> None:  # noqa: N802
        message = self.message()
        method, request, stub = message.get("method"), message.get("id"), self.stub
        stub.headers.append({name.lower(): value for name, value in self.headers.items()})
        if self.stranger():
            self.answer(401, b"who are you?", "text/plain", www_authenticate="Bearer")
        elif stub.every and self.behave(stub.every, message):
            return
        elif method == "initialize":
            self.initialize(request, message["params"])
        elif self.lost():
            error = {"code": -32600, "message": "Session not found"}
            self.answer(404, json.dumps({"jsonrpc": "2.0", "id": "server-error", "error": error}).encode())
        elif request is None:
            stub.notices.append(method)
            self.answer(202)
        elif method == "tools/call":
            self.call(message)
        elif method == "tools/list":
            self.result(request, {"tools": stub.tools})
        elif method == "ping":
            self.result(request, {})
        else:
            self.error(request, -32601, f"Method not found: {method}")

    def lost(self) -> bool:
        session = self.headers.get("mcp-session-id")
        return session is not None and session not in self.stub.known

    def initialize(self, request: object, params: dict[str, object]) -> None:
        headers = {}
        if self.stub.sessions:
            headers["mcp_session_id"] = uuid.uuid4().hex
            self.stub.known.add(headers["mcp_session_id"])
        self.answer(200, _message(request, result=greeting("http-stub", params)), **headers)

    def result(self, request: object, result: object) -> None:
        self.answer(200, _message(request, result=result))

    def error(self, request: object, code: int, text: str) -> None:
        self.answer(200, _message(request, error={"code": code, "message": text}))

    def call(self, message: dict[str, object]) -> None:
        params = message["params"]
        asked = (params.get("arguments") or {}).get("text")
        if self.behave(self.stub.when.get(asked) or self.stub.take(), message):
            return
        self.stub.act(params)
        if params["name"] == "slow":
            self.stub.stopping.wait(params["arguments"]["seconds"])
        self.result(message["id"], content(params))

    def behave(self, how: dict[str, object], message: dict[str, object]) -> bool:
        """Misbehaves as asked; False where nothing was asked."""
        if not how:
            return False
        params, request = message.get("params") or {}, message.get("id")
        acts = (
            how.get("acts")
            or how.get("drop") in ("after", "middle")
            or set(how) & {"hang", "sse", "accepted"}
        )
        if acts and "name" in params:
            self.stub.act(params)
        if "hang" in how:
            self.stub.stopping.wait(how["hang"])
            self.result(request, content(params))
        elif "drop" in how:
            self.broken(how["drop"], request, params)
        elif "sse" in how:
            body = b": hello\n\n"
            if how["sse"] != "broken":
                body += b"event: message\ndata: " + _message(request, result=content(params)) + b"\n\n"
            self.answer(200, body, "text/event-stream")
        elif "redirect" in how:
            self.answer(307, location=how["redirect"])
        elif "accepted" in how:
            self.answer(202)
        elif "content_type" in how:
            self.answer(200, str(how.get("body", "hello")).encode(), how["content_type"])
        else:
            self.status(how, request)
        return True

    def broken(self, when: object, request: object, params: dict[str, object]) -> None:
        if when == "middle":
            body = _message(request, result=content(params))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:20])
            self.wfile.flush()
        self.drop()

    def status(self, how: dict[str, object], request: object) -> None:
        headers = {"retry_after": str(how["retry_after"])} if "retry_after" in how else {}
        if "json_error" in how:
            self.answer(how["status"], _message(request, error=how["json_error"]), **headers)
        else:
            self.answer(how["status"], str(how.get("body", "no")).encode(), "text/plain", **headers)


def _message(request: object, **content: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request} | content).encode()


HttpStub.handler = HttpHandler


def main() -> None:
    words = sys.argv[1:]
    options = dict(zip(words[::2], words[1::2], strict=True))
    stub = HttpStub(int(options.get("--port", "0")), options.get("--log"))
    stub.start()
    print(stub.url, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
