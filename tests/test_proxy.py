"""`nginx.conf` in a real nginx, before `agent serve`: what it passes on, and what it refuses."""

import hmac
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPMessage, HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from .conftest import Agent
from .serving import TOKENS, served

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
NEEDS_NGINX = "needs a proxy: apt-get install nginx-light"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not NGINX, reason=NEEDS_NGINX)]

PATIENCE_S = 30
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
AROUND = """\
daemon off;
pid {folder}/pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    {temporary}
    include {folder}/agent.conf;
}}
"""
PROMETHEUS = "127.0.0.9"
SECRET = "x" * 40
METRICS_TOKEN = "c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f"  # noqa: S105 # of a server for half a minute
SETTINGS = {
    "METRICS_TOKEN": METRICS_TOKEN,
    "GITHUB_WEBHOOK_SECRET": SECRET,
    "EMAIL_MAILGUN_KEY": "key-3ax6xnjp29jd6fds4gc373sgvjxteol0",
    "EMAIL_FROM": "agent@example.org",
    "EMAIL_SMTP_URL": "smtp://localhost",
    "EMAIL_SECRET": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "EMAIL_AUTHSERV_ID": "mx.example",
    "EMAIL_ALLOWED": "@example.org",
    "PUBLIC_URL": "https://agent.example.org",
}
WEBHOOK = """\
[github]
scheme = "github"
secret = "GITHUB_WEBHOOK_SECRET"
conversation = "{ref}"
text = "{ref}"
"""
LIMITS = {
    "/login": 8_192,
    "/threads": 1_000_000,
    "/webhooks/github": 25_000_000,
    "/email/mailgun/mime": 25_000_000,
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ANA = {"Authorization": f"Bearer {TOKENS['ana']}"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPMessage
    text: str

    @property
    def is_of_nginx(self) -> bool:
        return "<center>nginx</center>" in self.text


@dataclass(frozen=True)
class Site:
    """An agent behind nginx."""

    port: int
    plain_port: int
    root: str
    """The path below which it is."""
    trust: ssl.SSLContext

    def connect(self, address: str = "127.0.0.1") -> HTTPSConnection:
        """Connect from an address of this machine."""
        return HTTPSConnection(
            "127.0.0.1", self.port, context=self.trust, source_address=(address, 0),
            timeout=PATIENCE_S,
        )  # fmt: skip

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        address: str = "127.0.0.1",
    ) -> Answer:
        with closing(self.connect(address)) as connection:
            method = "GET" if body is None else "POST"
            connection.request(method, self.root + path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())

    def sign_in(self, token: str = TOKENS["ana"], **more: str) -> Answer:
        return self.ask("/login", urlencode({"token": token}).encode(), FORM | more)


@dataclass
class Visitor:
    """Somebody with a browser."""

    site: Site
    cookie: str = field(init=False)

    def __post_init__(self) -> None:
        self.cookie = self.site.sign_in().headers["Set-Cookie"].partition(";")[0]

    def opens(self, path: str) -> Answer:
        return self.site.ask(path, headers={"Cookie": self.cookie})

    def sends(self, path: str, **fields: str) -> Answer:
        """Send a form of the page as a browser does that names only its origin."""
        page = self.opens(path).text
        hidden = dict(re.findall(r'name="(csrf|key)" value="([^"]+)"', page))
        origin = f"https://127.0.0.1:{self.site.port}"
        headers = FORM | {"Cookie": self.cookie, "Origin": origin}
        return self.site.ask(path, urlencode(hidden | fields).encode(), headers)

    def begins(self) -> str:
        """Start a thread, and return its path."""
        sent = self.sends("/", text="deploy the latest backend")
        return sent.headers["Location"].removeprefix(self.site.root)


@pytest.fixture(scope="module", params=["", "/agents/one"], ids=["at the root", "below a path"])
def site(full: Agent, request: pytest.FixtureRequest) -> Iterator[Site]:
    root = str(request.param)
    with _folder() as folder, served(full, ROOT_PATH=root, **_set_up(folder)) as url:
        certificate = _certify(folder)
        port, plain_port = _find_ports(2)
        text = _locate(full, root) if root else (full.path / "nginx.conf").read_text()
        (folder / "agent.conf").write_text(_adapt(text, folder, url, port, plain_port))
        with _nginx(folder, port):
            trust = ssl.create_default_context(cafile=certificate)
            yield Site(port, plain_port, root, trust)


def _set_up(folder: Path) -> dict[str, str]:
    """Return settings for an agent that keeps all of its own in a folder."""
    step = {"intent": "deploy_backend", "tag": "v1.2.3", "environment": "production"}
    files = {"webhooks.toml": WEBHOOK, "script.jsonl": json.dumps({"step": step})}
    for name, text in files.items():
        (folder / name).write_text(text)
    return SETTINGS | {
        "MODEL": f"scripted:{folder}/script.jsonl",
        "SQLITE_PATH": f"{folder}/threads.db",
        "WEBHOOKS_FILE": f"{folder}/webhooks.toml",
    }


@contextmanager
def _folder() -> Iterator[Path]:
    """Give a folder that is open to whom nginx runs as, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        if user := _unprivileged():
            os.chown(name, user, user)
        yield Path(name)


def _unprivileged() -> int | None:
    return 65534 if os.geteuid() == 0 else None


def _certify(folder: Path) -> Path:
    make = "openssl req -x509 -nodes -days 1 -subj /CN=agent -addext subjectAltName=IP:127.0.0.1"
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -keyout privkey.pem"
    command = [*make.split(), *key.split(), "-out", "fullchain.pem"]
    subprocess.run(command, cwd=folder, capture_output=True, check=True, user=_unprivileged())
    return folder / "fullchain.pem"


def _locate(agent: Agent, root: str) -> str:
    """Do to the locations what the page says for an agent below a path."""
    page = (agent.path / "docs/http.md").read_text()
    (command,) = re.findall(r"^\$ (sed .* nginx\.conf)$", page, re.MULTILINE)
    assert f"{root}/" in command
    return subprocess.run(
        ["bash", "-c", command], cwd=agent.path, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def _adapt(text: str, folder: Path, url: str, port: int, plain_port: int) -> str:
    """Replace what belongs to a machine of the owner's, and the times that are too long here."""
    here = {
        "127.0.0.1:8000": url.removeprefix("http://"),
        "/etc/letsencrypt/live/agent.example.org": str(folder),
        "listen 443": f"listen 127.0.0.1:{port}",
        "listen 80": f"listen 127.0.0.1:{plain_port}",
        "# allow 10.0.0.7;": f"allow {PROMETHEUS};",
        "client_header_timeout 10s": "client_header_timeout 1s",
        "client_body_timeout 10s": "client_body_timeout 1s",
    }
    text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
    for old, new in here.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextmanager
def _nginx(folder: Path, port: int) -> Iterator[None]:
    """Run nginx as nobody in particular."""
    temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
    settings = folder / "nginx.conf"
    settings.write_text(AROUND.format(folder=folder, temporary=temporary))
    command = [str(NGINX), "-e", "stderr", "-p", str(folder), "-c", str(settings)]
    with subprocess.Popen(command, user=_unprivileged(), stderr=subprocess.PIPE) as nginx:
        try:
            _wait_for(port, nginx)
            yield
        finally:
            nginx.terminate()


def _wait_for(port: int, nginx: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            ended = nginx.poll() is not None or time.monotonic() > deadline
            assert not ended, nginx.stderr and nginx.stderr.read()
            time.sleep(0.02)


def _find_ports(count: int) -> list[int]:
    with ExitStack() as free:
        bound = [free.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in bound]


def test_a_person_signs_in_over_https_opens_the_inbox_and_starts_a_thread(site: Site) -> None:
    signed_in = site.sign_in()
    assert (signed_in.status, signed_in.headers["Location"]) == (303, f"{site.root}/")
    cookie = signed_in.headers["Set-Cookie"].lower()
    assert "; secure" in cookie
    assert f"; path={site.root or '/'}" in cookie
    visitor = Visitor(site)
    inbox = visitor.opens("/")
    assert inbox.status == 200
    assert "What should the agent do?" in inbox.text
    assert visitor.sends("/", text="deploy").status == 303
    style = re.findall(r'href="([^"]+\.css)"', inbox.text)[0]
    assert visitor.opens(style.removeprefix(site.root)).status == 200


def test_plain_http_leads_to_https(site: Site) -> None:
    with closing(HTTPConnection("127.0.0.1", site.plain_port, timeout=PATIENCE_S)) as connection:
        connection.request("GET", "/inbox/1?after=2", headers={"Host": "agent.example.org"})
        answer = connection.getresponse()
        assert answer.status == 301
        assert answer.headers["Location"] == "https://agent.example.org/inbox/1?after=2"


@pytest.mark.parametrize("stream", ["/inbox/{}/stream", "/threads/{}/events"])
def test_the_first_event_of_a_stream_is_not_held_back(site: Site, stream: str) -> None:
    visitor = Visitor(site)
    thread = visitor.begins().rpartition("/")[2]
    with closing(site.connect()) as connection:
        headers = ANA | {"Cookie": visitor.cookie}
        connection.request("GET", site.root + stream.format(thread), headers=headers)
        answer = connection.getresponse()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert '"type": "message"' in _read_event(answer)


def _read_event(answer: HTTPResponse) -> str:
    for line in iter(answer.readline, b""):
        if line.startswith(b"data:"):
            return line.decode()
    raise AssertionError("the stream ended")


@pytest.mark.parametrize("path", LIMITS)
def test_a_body_passes_up_to_the_agent_s_own_limit_and_no_further(site: Site, path: str) -> None:
    most = b" " * LIMITS[path]
    assert site.ask(path, most, FORM).status not in (413, 502)
    refused = site.ask(path, most + b" ", FORM)
    assert (refused.status, refused.is_of_nginx) == (413, True)


def test_a_webhook_of_25_mb_is_received(site: Site) -> None:
    start, end = b'{"ref": "', b'"}'
    body = start + b"x" * (25_000_000 - len(start + end)) + end
    signed = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signed}", "X-GitHub-Event": "ping"}
    answer = site.ask("/webhooks/github", body, headers | {"Content-Type": "application/json"})
    assert (answer.status, "the signature is valid" in answer.text) == (202, True)


def test_a_refusal_that_comes_before_the_body_was_read_is_passed_on(site: Site) -> None:
    answer = site.ask("/webhooks/unknown", b" " * 20_000_000, FORM)
    assert (answer.status, answer.is_of_nginx) == (413, False)


@pytest.mark.parametrize("more", ["", "Content-Length: 100\r\n\r\nx"], ids=["head", "body"])
def test_a_request_that_does_not_go_on_is_cut_off(site: Site, more: str) -> None:
    with (
        socket.create_connection(("127.0.0.1", site.port), PATIENCE_S) as plain,
        site.trust.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(f"POST {site.root}/login HTTP/1.1\r\nHost: a\r\n{more}".encode())
        assert connection.recv(100) == b""


@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/%6detrics", "/inbox/../metrics"])
def test_only_prometheus_reads_the_metrics(site: Site, path: str) -> None:
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    assert site.ask(path, headers=headers).status == 403
    read = site.ask(path, headers=headers, address=PROMETHEUS)
    assert (read.status, "agent_store_up 1.0" in read.text) == (200, True)


def test_the_agent_sees_the_address_of_the_client_whatever_the_client_says(site: Site) -> None:
    """After ten wrong tokens an address has to wait, and another one does not."""

    def sign_in(token: str, address: str, said: str) -> int:
        body = urlencode({"token": token}).encode()
        headers = FORM | {"X-Forwarded-For": said, "Forwarded": f"for={said}"}
        return site.ask("/login", body, headers, address).status

    for number in range(10):
        assert sign_in("wrong", "127.0.0.2", f"192.0.2.{number}") == 401
    assert sign_in(TOKENS["ana"], "127.0.0.2", "192.0.2.99") == 429
    assert sign_in(TOKENS["ana"], "127.0.0.3", "127.0.0.2") == 303


def test_an_address_that_asks_too_often_waits_and_others_do_not(site: Site) -> None:
    with closing(site.connect("127.0.0.5")) as connection:
        for _ in range(5_000):
            connection.request("GET", f"{site.root}/healthz")
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                break
    assert answer.status == 429
    assert site.ask("/healthz", address="127.0.0.6").status == 200


def test_an_address_that_keeps_too_many_streams_gets_no_more_and_others_do(site: Site) -> None:
    thread = Visitor(site).begins().rpartition("/")[2]
    with ExitStack() as opened:

        def follow(address: str) -> int:
            connection = opened.enter_context(closing(site.connect(address)))
            connection.request("GET", f"{site.root}/threads/{thread}/events", headers=ANA)
            return connection.getresponse().status

        assert [follow("127.0.0.7") for _ in range(101)] == [200] * 100 + [503]
        assert follow("127.0.0.8") == 200
