"""A small MCP server, over stdio or HTTP, that misbehaves as a file tells it to.

    python small.py PLAN        speaks over stdin and stdout

The plan is JSON and is read anew for each message: `tools` are what it lists, `mode` is what it
does when a tool is called, and `seen` is what it was sent. It needs nothing but Python.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Message = dict[str, Any]

MILLION = 1_000_000
MODERN = "2026-07-28"
CACHED = {"ttlMs": 0, "cacheScope": "private"}
TICKET = {
    "name": "create_ticket",
    "description": "Create a ticket.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "title": {"type": "string", "maxLength": 100},
            "urgent": {"type": "boolean", "default": False},
        },
        "required": ["title"],
    },
}


@dataclass(frozen=True)
class Plan:
    path: Path

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
        return found

    def set(self, **changes: Any) -> None:
        whole = (self.read() if self.path.exists() else {}) | changes
        self.path.write_text(json.dumps(whole), "utf-8")

    def note(self, message: Message) -> None:
        with self._notes.open("a", encoding="utf-8") as notes:
            notes.write(f"{json.dumps(message)}\n")

    @property
    def seen(self) -> list[Message]:
        lines = self._notes.read_text("utf-8").splitlines() if self._notes.exists() else []
        return [*map(json.loads, lines)]

    @property
    def calls(self) -> list[Message]:
        """The params of the calls that arrived."""
        return [each["params"] for each in self.seen if each.get("method") == "tools/call"]

    @property
    def _notes(self) -> Path:
        return self.path.with_suffix(".notes")


def make_plan(path: Path, **changes: Any) -> Plan:
    plan = Plan(path)
    plan.set(**{"tools": [TICKET], "mode": "text"} | changes)
    return plan


def answer(plan: Plan, message: Message) -> Iterator[Message]:
    """Give what the server sends for a message."""
    plan.note(message)
    if "id" not in message or "method" not in message:
        return
    told = plan.read()
    if told["mode"] == "deaf":
        time.sleep(60)
    match message["method"]:
        case "initialize":
            version = told.get("version", message["params"]["protocolVersion"])
            info = {"name": "small", "version": "1"}
            able: Message = {"tools": {}}
            yield _result(message, protocolVersion=version, capabilities=able, serverInfo=info)
        case "server/discover" if told.get("modern"):
            yield _result(message, supportedVersions=[MODERN], capabilities={"tools": {}}, **CACHED)
        case "tools/list" if told["mode"] == "endless":
            yield _result(message, tools=[], nextCursor="again")
        case "tools/list":
            yield _result(message, tools=told["tools"], **CACHED)
        case "tools/call":
            yield from _call(told["mode"], message)
        case other:
            yield _error(message, -32601, f"no method {other}")


def _call(mode: str, message: Message) -> Iterator[Message]:
    ask: Message = {"jsonrpc": "2.0", "id": "mine"}
    said: Any
    params: Message
    match mode:
        case "text":
            yield _result(message, content=[{"type": "text", "text": "ticket 7"}])
        case "structured":
            yield _result(message, content=[], structuredContent={"id": 7})
        case "mixed":
            image = {"type": "image", "data": "QUJD", "mimeType": "image/png"}
            yield _result(message, content=[image, {"type": "text", "text": "a picture"}])
        case "lie":  # what it describes has another shape
            yield _result(message, content=[], structuredContent={"id": ["no", "number"]})
        case "failure":
            said = [{"type": "text", "text": "half of it was done"}]
            yield _result(message, content=said, isError=True)
        case "error":
            yield _error(message, -32603, "it broke\u200b\x1b[31m")
        case "garbage":
            yield {"jsonrpc": "2.0", "id": message["id"], "result": {"content": "no list"}}
        case "big":
            yield _result(message, content=[{"type": "text", "text": "x" * 50 * MILLION}])
        case "ask":  # as the newest version has it
            params = {
                "message": "Your password?",
                "requestedSchema": {"type": "object", "properties": {}},
            }
            asked = {"password": {"method": "elicitation/create", "params": params}}
            yield _result(message, resultType="input_required", inputRequests=asked)
        case "flood":
            chatter = {"level": "info", "data": "x" * 1_000}
            note = {"jsonrpc": "2.0", "method": "notifications/message", "params": chatter}
            for _ in range(50_000):
                yield note
        case "hang":
            time.sleep(60)
        case "die":
            os._exit(1)
        case "elicit":
            schema = {"type": "object", "properties": {"password": {"type": "string"}}}
            params = {"message": "Your password?", "requestedSchema": schema}
            yield {**ask, "method": "elicitation/create", "params": params}
            yield _result(message, content=[{"type": "text", "text": "asked"}])
        case "sample":
            said = {"role": "user", "content": {"type": "text", "text": "Say something."}}
            params = {"messages": [said], "maxTokens": 100}
            yield {**ask, "method": "sampling/createMessage", "params": params}
            yield _result(message, content=[{"type": "text", "text": "asked"}])


def _result(message: Message, **result: Any) -> Message:
    result = {"resultType": "complete"} | result
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def _error(message: Message, code: int, text: str) -> Message:
    return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": text}}


@contextmanager
def serve_http(plan: Plan, token: str = "") -> Iterator[str]:
    """Serve it over HTTP, and give its URL; its authorization server gives out the token."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet for head and body

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/token":
                plan.note({"form": body.decode(), "head": self.headers["authorization"]})
                given = {"access_token": token, "token_type": "Bearer", "expires_in": 60}
                return self._send(200, json.dumps(given).encode(), "application/json")
            if token and self.headers.get("authorization") != f"Bearer {token}":
                return self._send(401, b"", "text/plain")
            message = json.loads(body)
            sent = [*self._answer(message)]
            if "id" not in message or "method" not in message:
                return self._send(202, b"", "text/plain")
            events = "".join(f"data: {json.dumps(each)}\n\n" for each in sent)
            if len(sent) > 1:
                return self._send(200, events.encode(), "text/event-stream")
            return self._send(200, json.dumps(sent[0]).encode(), "application/json")

        def _answer(self, message: Message) -> Iterator[Message]:
            if message.get("method") == "tools/call" and plan.read()["mode"] == "die":
                plan.note(message)
                self.connection.shutdown(2)
                return iter([{}])
            return answer(plan, message)

        def do_GET(self) -> None:
            here = f"http://127.0.0.1:{server.server_port}"
            resource = {"resource": f"{here}/mcp", "authorization_servers": [here]}
            issuer = {
                "issuer": here,
                "authorization_endpoint": f"{here}/authorize",
                "token_endpoint": f"{here}/token",
                "response_types_supported": ["code"],
            }
            found = {
                "/.well-known/oauth-protected-resource/mcp": resource,
                "/.well-known/oauth-authorization-server": issuer,
            }
            if self.path in found:
                body = json.dumps(found[self.path]).encode()
                return self._send(200, body, "application/json")
            return self._send(405, b"", "text/plain")

        def do_DELETE(self) -> None:
            self._send(405, b"", "text/plain")

        def _send(self, status: int, body: bytes, kind: str) -> None:
            try:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the client has left

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mcp"
    finally:
        server.shutdown()
        server.server_close()


def main() -> None:
    plan = Plan(Path(sys.argv[1]))
    print("small is up", file=sys.stderr, flush=True)
    for line in sys.stdin:
        for message in answer(plan, json.loads(line)):
            print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
