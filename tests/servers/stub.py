"""A stdio MCP server without the SDK: starts in about 30 ms and misbehaves on request.

    python tests/servers/stub.py --log FILE [options]

It speaks the handshake protocol over lines of JSON-RPC: initialize, ping, tools/list (in pages),
tools/call, cancelled notifications; `server/discover` is answered with method-not-found, so that a
client in `auto` mode falls back. Every call is appended to `--log` as one JSON line
`{"tool", "arguments", "meta", "time", "pid"}`, with fsync, before it is answered: counting the lines
counts the calls that happened.

Tools (all take JSON arguments; `text` is optional except where a schema says so):

    record(text, to?)            appends to the log; declared not idempotent, not read-only
    look(text)                   declared read-only; answers with the text
    put(text)                    declared idempotent
    wipe(text)                   declared destructive
    fail(text)                   answers isError with the text
    rate(text?)                  answers isError "Rate limit exceeded, try again in 30 seconds" (or the text)
    error(code, message?)        answers with that JSON-RPC error
    slow(seconds, text, before?) records, then sleeps, then answers; with before: true sleeps first
    crash(text)                  records, then exits with code 3, without an answer
    crash_early(text)            exits with code 3 before it records
    big(bytes)                   answers with one line that long
    typed(count, when?)          count: integer of at least 1; when: "now" or "later"
    structured(text)             answers with structured content {"text": ..., "length": ...}
    ask(text, schema?, url?, times?, take_back?)
                                 sends elicitation/create to the client (with times: so often, one after the
                                 other) and answers with its last reply; with take_back, cancels the request
    sample(text)                 sends sampling/createMessage to the client and answers with its reply
    freeze()                     records, then neither reads nor answers ever again

Options:

    --log FILE            where calls are recorded (default: nowhere)
    --pids FILE           appends the process id of the server, and of its child, one a line
    --tools A,B           offers only these tools
    --definitions FILE    JSON list of definitions, laid over the built-in ones by name (`"remove": true`
                          takes one away; a new name is a tool that records); read again at each list;
                          when the file appears or changes, list_changed is sent
    --extra N             N more tools, `extra-0001` and so on, that record
    --page-size N         tools/list in pages of N
    --duplicate NAME      lists this tool twice
    --endless-pages       tools/list always names a next page
    --change-after N      after N calls every description ends in " (changed)", and list_changed is sent
    --fail-list N         the first N tools/list are answered with an internal error
    --instance-file FILE  counts starts: a start reads the number there and writes it plus one
    --bad-starts N        with --instance-file: the first N starts exit at once with code 9
    --start-delay S       sleeps before reading
    --no-fsync            records without fsync
    --stderr TEXT         written to stderr at the start
    --exit CODE           exits with this code at once
    --mute                never answers initialize
    --mute-discover       never answers server/discover
    --exit-on-discover    exits on server/discover (and so fails in `auto` mode)
    --garbage             lines that are not JSON before every answer
    --invalid-utf8        bytes that are not UTF-8 in a line of their own and in every result
    --ignore-term         ignores SIGTERM, and stays when stdin ends
    --child               starts a child that stays (and ignores SIGTERM too with --ignore-term)
    --child-leaves        like --child, and the child leaves the process group of the server
    --child-holds         like --child, and the child holds the server's stdout open
    --freeze-after N      freezes at call N+1, before recording it
    --greet               reports the environment variable STUB_GREETING in the answer of `look`
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time


def schema(required: list[str], **properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": required}


TEXT = {"type": "string"}
UNSAFE = {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False}


def tool(
    name: str, description: str, input_schema: object, annotations: object | None = None
) -> dict[str, object]:
    entry = {"name": name, "description": description, "inputSchema": input_schema}
    return entry | ({"annotations": annotations} if annotations else {})


BUILT_IN = [
    tool("record", "Appends a line to the log.", schema(["text"], text=TEXT, to=TEXT), UNSAFE),
    tool("look", "Looks, and changes nothing.", schema(["text"], text=TEXT), {"readOnlyHint": True}),
    tool(
        "put",
        "Puts a text; again is the same.",
        schema(["text"], text=TEXT),
        {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": True},
    ),
    tool("wipe", "Wipes.", schema(["text"], text=TEXT), {"readOnlyHint": False, "destructiveHint": True}),
    tool("fail", "Fails.", schema([], text=TEXT), UNSAFE),
    tool("rate", "Is rate limited.", schema([], text=TEXT), UNSAFE),
    tool("error", "Answers with an error.", schema(["code"], code={"type": "integer"}, message=TEXT), UNSAFE),
    tool(
        "slow",
        "Takes its time.",
        schema(["seconds"], seconds={"type": "number"}, text=TEXT, before={"type": "boolean"}),
        UNSAFE,
    ),
    tool("crash", "Acts and dies.", schema([], text=TEXT), UNSAFE),
    tool("crash_early", "Dies without acting.", schema([], text=TEXT), UNSAFE),
    tool(
        "big",
        "Answers at length.",
        schema(["bytes"], bytes={"type": "integer", "minimum": 0}),
        {"readOnlyHint": True},
    ),
    tool(
        "typed",
        "Has typed arguments.",
        schema(["count"], count={"type": "integer", "minimum": 1}, when={"enum": ["now", "later"]}),
        UNSAFE,
    ),
    tool("structured", "Answers in structure.", schema(["text"], text=TEXT), {"readOnlyHint": True}),
    tool(
        "ask",
        "Asks the person.",
        schema(
            [],
            text=TEXT,
            schema={"type": "object"},
            url=TEXT,
            times={"type": "integer"},
            take_back={"type": "boolean"},
        ),
        UNSAFE,
    ),
    tool("sample", "Asks the model.", schema([], text=TEXT), UNSAFE),
    tool("freeze", "Freezes.", schema([]), UNSAFE),
]


def parse(argv: list[str]) -> dict[str, str]:
    """Reads the options without argparse, which alone takes 10 ms to import."""
    flags = {"no-fsync", "mute", "mute-discover", "exit-on-discover", "garbage", "invalid-utf8"}
    flags |= {"ignore-term", "child", "child-holds", "child-leaves", "endless-pages", "greet"}
    options: dict[str, str] = {}
    words = iter(argv)
    for word in words:
        name = word.removeprefix("--")
        options[name] = "yes" if name in flags else next(words)
    return options


class Stub:
    def __init__(self, options: dict[str, str]) -> None:
        self.options = options
        self.out = sys.stdout.buffer
        self.write_lock = threading.Lock()
        self.calls = 0
        self.lists = 0
        self.frozen = False
        self.asked: dict[str, object] = {}
        self.left: dict[str, tuple[int, dict[str, object]]] = {}
        self.requests = 0
        self.log = (
            os.open(options["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND) if "log" in options else None
        )

    # ---- the wire

    def send(self, message: dict[str, object]) -> None:
        line = json.dumps({"jsonrpc": "2.0"} | message).encode()
        if "invalid-utf8" in self.options and "result" in message:
            line = b"\xff\xfe not text\n" + line.replace(b"ok:", b"ok:\xff")
        if "garbage" in self.options:
            line = b"Starting up...\n\n{not json}\n[1, 2]\n" + line
        with self.write_lock:
            self.out.write(line + b"\n")
            self.out.flush()

    def reply(self, request: object, text: str, *, error: bool = False, structured: object = None) -> None:
        result: dict[str, object] = {"content": [{"type": "text", "text": text}], "isError": error}
        if structured is not None:
            result["structuredContent"] = structured
        self.send({"id": request, "result": result})

    def serve(self) -> None:
        for line in sys.stdin.buffer:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            self.handle(message)
            while self.frozen:
                time.sleep(3600)
        while "ignore-term" in self.options:
            time.sleep(3600)

    def handle(self, message: dict[str, object]) -> None:
        method, request = message.get("method"), message.get("id")
        if method is None:
            self.answered(message)
        elif method == "initialize":
            self.initialize(request, message["params"])
        elif method == "ping":
            self.send({"id": request, "result": {}})
        elif method == "tools/list":
            self.list_tools(request, message.get("params") or {})
        elif method == "tools/call":
            self.call(request, message["params"])
        elif method == "server/discover" and "exit-on-discover" in self.options:
            os._exit(7)
        elif method == "server/discover" and "mute-discover" in self.options:
            pass
        elif request is not None:
            self.send({"id": request, "error": {"code": -32601, "message": f"Method not found: {method}"}})

    def initialize(self, request: object, params: dict[str, object]) -> None:
        if "mute" in self.options:
            return
        self.send(
            {
                "id": request,
                "result": {
                    "protocolVersion": params.get("protocolVersion", "2025-06-18"),
                    "capabilities": {"tools": {"listChanged": True}},
                    "serverInfo": {"name": "stub", "version": "1"},
                },
            }
        )

    # ---- tools

    def definitions(self) -> list[dict[str, object]]:
        tools = {entry["name"]: dict(entry) for entry in BUILT_IN}
        for number in range(1, int(self.options.get("extra", "0")) + 1):
            name = f"extra-{number:04}"
            tools[name] = tool(name, "One more.", schema([], text=TEXT), UNSAFE)
        if "tools" in self.options:
            tools = {name: tools[name] for name in self.options["tools"].split(",")}
        path = self.options.get("definitions")
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for entry in json.load(file):
                    if entry.get("remove"):
                        tools.pop(entry["name"], None)
                    else:
                        tools[entry["name"]] = tools.get(entry["name"], {}) | entry
        if self.calls >= int(self.options.get("change-after", "1000000000")):
            for entry in tools.values():
                entry["description"] = f"{entry['description']} (changed)"
        entries = list(tools.values())
        if "duplicate" in self.options:
            entries.append(tools[self.options["duplicate"]])
        return entries

    def list_tools(self, request: object, params: dict[str, object]) -> None:
        self.lists += 1
        if self.lists <= int(self.options.get("fail-list", "0")):
            self.send({"id": request, "error": {"code": -32603, "message": "the list is not ready"}})
            return
        entries = self.definitions()
        size = int(self.options.get("page-size", "0")) or max(len(entries), 1)
        start = int(str(params.get("cursor") or 0))
        if "endless-pages" in self.options:
            page = [entries[0] | {"name": f"page-{start}-{number}"} for number in range(size)]
            self.send({"id": request, "result": {"tools": page, "nextCursor": str(start + 1)}})
            return
        result: dict[str, object] = {"tools": entries[start : start + size]}
        if start + size < len(entries):
            result["nextCursor"] = str(start + size)
        self.send({"id": request, "result": result})

    def watch_definitions(self) -> None:
        """Sends list_changed when the file of definitions appears or changes."""
        path, seen = self.options["definitions"], self.stamp()
        while True:
            time.sleep(0.02)
            if self.stamp() != seen and os.path.exists(path):
                seen = self.stamp()
                self.send({"method": "notifications/tools/list_changed"})

    def stamp(self) -> object:
        try:
            status = os.stat(self.options["definitions"])
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def record(self, params: dict[str, object]) -> None:
        if self.log is None:
            return
        entry = {
            "tool": params["name"],
            "arguments": params.get("arguments") or {},
            "meta": params.get("_meta") or {},
            "time": time.time(),
            "pid": os.getpid(),
        }
        os.write(self.log, json.dumps(entry).encode() + b"\n")
        if "no-fsync" not in self.options:
            os.fsync(self.log)

    def call(self, request: object, params: dict[str, object]) -> None:
        if self.calls >= int(self.options.get("freeze-after", "1000000000")):
            self.frozen = True
            return
        self.calls += 1
        name, arguments = str(params["name"]), dict(params.get("arguments") or {})
        known = any(entry["name"] == name for entry in self.definitions())
        if not known:
            self.send({"id": request, "error": {"code": -32602, "message": f"Unknown tool: {name}"}})
            return
        special = getattr(self, f"tool_{name}", None)
        if special is not None:
            special(request, params, arguments)
        else:
            self.record(params)
            greeting = os.environ.get("STUB_GREETING", "") if "greet" in self.options else ""
            self.reply(request, f"ok:{greeting} {arguments.get('text', '')}")
        if self.calls == int(self.options.get("change-after", "0")):
            self.send({"method": "notifications/tools/list_changed"})

    def tool_fail(self, request: object, params: dict[str, object], arguments: dict[str, object]) -> None:
        self.record(params)
        self.reply(request, str(arguments.get("text", "it failed")), error=True)

    def tool_rate(self, request: object, params: dict[str, object], arguments: dict[str, object]) -> None:
        self.record(params)
        words = "Rate limit exceeded, try again in 30 seconds"
        self.reply(request, str(arguments.get("text", words)), error=True)

    def tool_error(self, request: object, params: dict[str, object], arguments: dict[str, object]) -> None:
        self.record(params)
        message = str(arguments.get("message", "an error as asked for"))
        self.send({"id": request, "error": {"code": arguments["code"], "message": message}})

    def tool_slow(self, request: object, params: dict[str, object], arguments: dict[str, object]) -> None:
        threading.Thread(target=self.sleep, args=(request, params, arguments), daemon=True).start()

    def sleep(self, request: object, params: dict[str, object], arguments: dict[str, object]) -> None:
        if not arguments.get("before"):
            self.record(params)
        time.sleep(float(str(arguments["seconds"])))
        if arguments.get("before"):
            self.record(params)
        self.reply(request, f"ok: {arguments.get('text', '')}")

    def tool_crash(self, request: object, params: dict[str, object], arguments: dict[str, object]) -> None:
        self.record(params)
        os._exit(3)

    def tool_crash_early(self, request: object, params: dict[str, object], arguments: object) -> None:
        os._exit(3)

    def tool_big(self, request: object, params: dict[str, object], arguments: dict[str, object]) -> None:
        self.record(params)
        self.reply(request, "x" * int(str(arguments["bytes"])))

    def tool_structured(
        self, request: object, params: dict[str, object], arguments: dict[str, object]
    ) -> None:
        self.record(params)
        text = str(arguments.get("text", ""))
        self.reply(request, f"ok: {text}", structured={"text": text, "length": len(text)})

    def tool_freeze(self, request: object, params: dict[str, object], arguments: object) -> None:
        self.record(params)
        self.frozen = True

    # ---- requests to the client

    def tool_ask(self, request: object, params: dict[str, object], arguments: dict[str, object]) -> None:
        self.record(params)
        question = {"message": str(arguments.get("text", "Which one?"))}
        if "url" in arguments:
            question |= {"mode": "url", "url": arguments["url"], "elicitationId": "one"}
        else:
            question["requestedSchema"] = arguments.get("schema", schema([], answer=TEXT))
        self.left[str(request)] = int(str(arguments.get("times", 1))) - 1, question
        identity = self.request_of_client(request, "elicitation/create", question)
        if arguments.get("take_back"):
            time.sleep(0.5)
            self.asked.pop(identity)
            self.send({"method": "notifications/cancelled", "params": {"requestId": identity}})
            self.reply(request, "never mind")

    def tool_sample(self, request: object, params: dict[str, object], arguments: dict[str, object]) -> None:
        self.record(params)
        said = {
            "role": "user",
            "content": {"type": "text", "text": str(arguments.get("text", "Say something"))},
        }
        self.request_of_client(request, "sampling/createMessage", {"messages": [said], "maxTokens": 10})

    def request_of_client(self, request: object, method: str, params: dict[str, object]) -> str:
        self.requests += 1
        identity = f"stub-{self.requests}"
        self.asked[identity] = request
        self.send({"id": identity, "method": method, "params": params})
        return identity

    def answered(self, message: dict[str, object]) -> None:
        request = self.asked.pop(str(message.get("id")), None)
        if request is None:
            return
        said = message.get("result", message.get("error"))
        self.record({"name": "answered", "arguments": said})
        left, question = self.left.get(str(request), (0, {}))
        if left > 0:
            self.left[str(request)] = left - 1, question
            self.request_of_client(request, "elicitation/create", question)
        else:
            self.reply(request, json.dumps(said))


def start_child(options: dict[str, str]) -> int:
    import subprocess

    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" if "ignore-term" in options else ""
    program = f"{deaf}import time; time.sleep(3600)"
    quiet = subprocess.DEVNULL
    stdout = None if "child-holds" in options else quiet
    command = [sys.executable, "-S", "-E", "-c", program]
    apart = "child-leaves" in options
    return subprocess.Popen(command, stdin=quiet, stdout=stdout, stderr=quiet, start_new_session=apart).pid


def count_start(options: dict[str, str]) -> None:
    path = options["instance-file"]
    before = 0
    if os.path.exists(path):
        with open(path, encoding="ascii") as file:
            before = int(file.read() or 0)
    with open(path, "w", encoding="ascii") as file:
        file.write(str(before + 1))
    if before < int(options.get("bad-starts", "0")):
        os._exit(9)


def main() -> None:
    options = parse(sys.argv[1:])
    if "stderr" in options:
        print(options["stderr"], file=sys.stderr, flush=True)
    if "exit" in options:
        sys.exit(int(options["exit"]))
    if "instance-file" in options:
        count_start(options)
    if "ignore-term" in options:
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pids = [os.getpid()]
    if {"child", "child-holds", "child-leaves"} & set(options):
        pids.append(start_child(options))
    if "pids" in options:
        with open(options["pids"], "a", encoding="ascii") as file:
            file.write("".join(f"{pid}\n" for pid in pids))
    time.sleep(float(options.get("start-delay", "0")))
    stub = Stub(options)
    if "definitions" in options:
        threading.Thread(target=stub.watch_definitions, daemon=True).start()
    try:
        stub.serve()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)


if __name__ == "__main__":
    main()
