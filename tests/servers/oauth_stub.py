"""An MCP server over HTTP that wants a login, and the authorisation server beside it; real ones on loopback.

    with OAuthStub() as stub:
        stub.lasts = 3600          # seconds that a token lasts, as it says
        stub.void()                # no token that was given out is good any more
        stub.grants                # what was asked of the token endpoint, in order

It registers clients, gives a code to whoever opens the login page, checks PKCE, refreshes, and knows a client
for client credentials (`robot`, `robot-secret`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from urllib.parse import parse_qs, urlencode, urlsplit

from servers.http_stub import HttpHandler, HttpStub


class OAuthStub(HttpStub):
    def __init__(self) -> None:
        super().__init__()
        self.lasts: int | None = 3600
        self.grants: list[dict[str, str]] = []
        self.good: set[str] = set()
        self.codes: dict[str, str] = {}
        self.delay = 0.0
        self.metadata: dict[str, str] = {}
        self.refuses_refresh = False
        self.count = 0

    def void(self) -> None:
        self.good.clear()

    def give(self) -> dict[str, object]:
        self.count += 1
        token = f"access-token-number-{self.count}"
        self.good.add(token)
        answer = {"access_token": token, "token_type": "Bearer", "refresh_token": f"refresh-{self.count}"}
        return answer if self.lasts is None else answer | {"expires_in": self.lasts}


class _OAuthHandler(HttpHandler):
    def do_GET(self) -> None:  # noqa: N802
        path, stub = urlsplit(self.path).path, self.stub
        if path.startswith("/.well-known/oauth-protected-resource"):
            self.json({"resource": stub.url, "authorization_servers": [stub.base]})
        elif path.startswith("/.well-known/oauth-authorization-server"):
            self.json(
                {
                    "issuer": stub.base,
                    "authorization_endpoint": f"{stub.base}/authorize",
                    "token_endpoint": f"{stub.base}/token",
                    "registration_endpoint": f"{stub.base}/register",
                    "code_challenge_methods_supported": ["S256"],
                    "response_types_supported": ["code"],
                }
                | stub.metadata
            )
        elif path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            code = f"code-{len(stub.codes)}"
            stub.codes[code] = asked["code_challenge"]
            self.answer(
                302, location=f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
            )
        else:
            self.answer(405)

    def do_POST(self) -> None:  # noqa: N802
        path, stub = urlsplit(self.path).path, self.stub
        if path == "/register":
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.json(asked | {"client_id": "registered"}, status=201)
        elif path == "/token":
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self.token({name: values[0] for name, values in parse_qs(body).items()})
        elif self.headers.get("authorization", "").removeprefix("Bearer ") not in stub.good:
            self.rfile.read(int(self.headers["content-length"]))
            where = f'Bearer resource_metadata="{stub.base}/.well-known/oauth-protected-resource/mcp"'
            self.answer(401, b"who are you?", "text/plain", www_authenticate=where)
        else:
            super().do_POST()

    def token(self, asked: dict[str, str]) -> None:
        stub = self.stub
        stub.grants.append(asked)
        time.sleep(stub.delay)
        kind = asked["grant_type"]
        if kind == "authorization_code":
            digest = hashlib.sha256(asked["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            right = stub.codes.pop(asked["code"], None) == challenge
        elif kind == "refresh_token":
            right = not stub.refuses_refresh and asked["refresh_token"].startswith("refresh-")
        else:
            right = (asked["client_id"], asked["client_secret"]) == ("robot", "robot-secret")
        if right:
            self.json(stub.give())
        else:
            self.json({"error": "invalid_grant"}, status=400)

    def json(self, value: object, status: int = 200) -> None:
        self.answer(status, json.dumps(value).encode())


OAuthStub.handler = _OAuthHandler
