"""A small server that speaks the OpenAI wire on a real socket, and says what it is told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .contract import SERVE, say

SERVES = say(SERVE)
USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 20,
    "total_tokens": 1220,
    "prompt_tokens_details": {"cached_tokens": 1024},
}


@dataclass(frozen=True)
class Answer:
    body: Any = None
    """JSON, or text sent as it is."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


HANG = Answer(status=0)
"""Take the request and never answer."""


def completion(
    content: Any = SERVES, *, finish: str = "stop", usage: Any = USAGE, **message: Any
) -> Answer:
    said = {"role": "assistant", "content": content, "refusal": None, **message}
    choice = {"index": 0, "finish_reason": finish, "logprobs": None, "message": said}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "fake-1-mini"}
    return Answer({**head, "choices": [choice], "usage": usage})


def refusal(status: int, message: str, **headers: str) -> Answer:
    error = {"message": message, "type": "error", "param": None, "code": None}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer({"error": error}, status, named)


class OpenaiServer(ThreadingHTTPServer):
    """Gives `answers` in turn, the last one again and again, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = [completion()]
        self.sent: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: list[str] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(BaseHTTPRequestHandler):
    server: OpenaiServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.sent.append(json.loads(body))
        self.server.paths.append(self.path)
        self.server.keys.append(self.headers["authorization"])
        answer = self.server.next_answer()
        if answer is HANG:
            self.server.over.wait()
            return
        content = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        self.send_response_only(answer.status)
        for name, value in {"content-type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def openai_server() -> Iterator[OpenaiServer]:
    with OpenaiServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
