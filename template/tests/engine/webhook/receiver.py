"""Another system: a real HTTP server on this machine that accepts signed webhooks, or does not."""

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

KEY = bytes(range(32))
SECRET = f"whsec_{b64encode(KEY).decode()}"


@dataclass
class System:
    """The requests that it got, and its answers: each of `answers` once, then 204."""

    url: str
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    silent: threading.Event = field(default_factory=threading.Event)
    """Until it is set, no request is answered."""

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.requests]

    def read_bodies(self, key: bytes = KEY) -> list[dict[str, Any]]:
        """Return the body of each message once, after checking the signatures."""
        bodies = {}
        for headers, body in self.requests:
            Webhook(key).verify(body, headers)
            bodies[headers["webhook-id"]] = json.loads(body)
        return list(bodies.values())


@contextmanager
def run_system() -> Iterator[System]:
    """Run one on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            here.requests.append((headers, body))
            here.silent.wait(60)
            status, headers = here.answers.pop(0) if here.answers else (204, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here = System(f"http://127.0.0.1:{server.server_address[1]}/hooks")
        here.silent.set()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield here
        finally:
            here.silent.set()
            server.shutdown()
            thread.join()
