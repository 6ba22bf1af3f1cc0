"""A stdio server that is odd in ways that a protocol forbids; without the SDK.

    python tests/servers/odd.py [options]

Options: `--tools JSON` is what it lists; `--result JSON` the result of every call, `--raw FILE` the same as
it stands in a file; `--flood N` many notices before each answer; `--half` half of an answer, and then its
end; `--noise BYTES` to stderr at each call; `--repeat N` the answer to each call so many times; `--last` its
id after its result.
"""

from __future__ import annotations

import json
import os
import sys

TOOL = {"name": "do", "inputSchema": {"type": "object"}}


def main() -> None:
    words = sys.argv[1:]
    options = {}
    while words:
        name = words.pop(0).removeprefix("--")
        options[name] = True if name in {"half", "last"} else words.pop(0)
    tools = json.loads(options.get("tools", json.dumps([TOOL])))
    result = json.loads(options.get("result", '{"content": [{"type": "text", "text": "done"}]}'))
    for line in sys.stdin:
        message = json.loads(line)
        method, request = message.get("method"), message.get("id")
        if request is None:
            continue
        if method == "initialize":
            version = message["params"]["protocolVersion"]
            server = {"name": "odd", "version": "1"}
            send(
                request,
                result={"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server},
            )
        elif method == "tools/list":
            send(request, result={"tools": tools})
        elif method == "tools/call":
            answer_call(request, result, options)
        elif method == "ping":
            send(request, result={})
        else:
            send(request, error={"code": -32601, "message": "no such method"})


def answer_call(request: object, result: object, options: dict) -> None:
    for number in range(int(options.get("flood", 0))):
        params = {"level": "info", "data": f"notice {number}"}
        notice = {"jsonrpc": "2.0", "method": "notifications/message", "params": params}
        sys.stdout.write(json.dumps(notice) + "\n")
    noise = int(options.get("noise", 0))
    for _ in range(noise // 1000):
        sys.stderr.write("x" * 999 + "\n")
    sys.stderr.flush()
    if "half" in options:
        text = json.dumps({"jsonrpc": "2.0", "id": request, "result": result})
        sys.stdout.write(text[: len(text) // 2])
        sys.stdout.flush()
        os._exit(0)
    for _ in range(int(options.get("repeat", 1))):
        if "raw" in options:
            send_raw(request, options)
        else:
            send(request, result=result)


def send_raw(request: object, options: dict) -> None:
    with open(options["raw"], encoding="utf-8") as file:
        result = file.read()
    head = f'{{"jsonrpc": "2.0", "id": {json.dumps(request)}, "result": {result}}}'
    tail = f'{{"result": {result}, "id": {json.dumps(request)}, "jsonrpc": "2.0"}}'
    sys.stdout.write((tail if "last" in options else head) + "\n")
    sys.stdout.flush()


def send(request: object, **content: object) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request} | content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
