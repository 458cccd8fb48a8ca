"""The page about MCP, a server that somebody else wrote, and the conformance suite."""

import importlib.util
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

from .conftest import ROOT, Agent
from .test_owner_docs import WAITING, commands, in_shell, readable

pytestmark = pytest.mark.slow

SMALL = ROOT / "template/tests/engine/mcp/small.py"
WORD = "t0ken"
TIME_SERVER = "mcp-server-time==2026.10.19"


def load_small() -> ModuleType:
    spec = importlib.util.spec_from_file_location("small", SMALL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["small"] = module  # its dataclass looks there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def mine(full: Agent, tmp_path: Path) -> Agent:
    return full.copy(tmp_path / "my-agent")


def test_its_commands_run_as_the_page_says(mine: Agent, tmp_path: Path) -> None:
    small = load_small()
    plan = small.make_plan(tmp_path / "plan.json")
    add_time, add_tickets, check, update, *more = commands(readable(mine.path / "docs/mcp.md"))
    given = {"TICKETS_TOKEN": WORD}
    local = f"{sys.executable} -S {SMALL} {plan.path}"
    in_shell(mine, add_time.replace("uvx mcp-server-time", local))
    with small.serve_http(plan, token=WORD) as url:
        printed = in_shell(
            mine, add_tickets.replace("https://mcp.example.org/mcp", url), given=given
        )
        case = 'return Run(tickets_create_ticket, approvers=("owner",))'
        assert case in printed
        assert case in readable(mine.path / "docs/mcp.md")
        assert "the same" in in_shell(mine, check, given=given)
        assert "time: nothing changed." in in_shell(mine, update)
    assert "TICKETS_TOKEN" in readable(mine.path / ".env.example")
    assert [one for one in more if "mcp serve" not in one] == []
    for check in ("ruff format --check", "ruff check"):
        in_shell(mine, f"uv run {check}")


def use_in_deploy(agent: Agent, printed: str) -> None:
    """Follow what `agent mcp add` printed: the steps, and the cases."""
    folder = agent.path / "src/agent/deploy"
    imports = re.findall(r"^from \.mcp_time import .*$", printed, re.MULTILINE)
    cases = printed[printed.index("    case TimeGetCurrentTime") :]
    for name, line, old, new in (
        ("tools.py", imports[0], "NextStep = ListGitTags", "NextStep = TimeStep | ListGitTags"),
        ("control_flow.py", imports[1], "    match step:\n", "    match step:\n" + _indent(cases)),
    ):
        text = readable(folder / name)
        assert text.count(old) == 1
        text = text.replace(old, new).replace("from ..engine", f"{line}\nfrom ..engine", 1)
        (folder / name).write_text(text, "utf-8")


def _indent(cases: str) -> str:
    """Put the cases under `match`, whose own are one level deeper."""
    return "".join(f"    {line}\n" for line in cases.rstrip().splitlines())


@pytest.mark.nightly
def test_a_server_that_somebody_else_wrote_is_added_and_used_with_approval(
    mine: Agent, tmp_path: Path
) -> None:
    place = tmp_path / "server"
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, place], check=True)
    python = place / "bin/python"
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, TIME_SERVER], check=True)
    printed = in_shell(mine, f"uv run agent mcp add time -- {place}/bin/mcp-server-time")
    use_in_deploy(mine, printed)
    in_shell(mine, "uv run ruff check --fix -q && uv run ruff format -q && uv run mypy src")
    asked = {"source_timezone": "UTC", "target_timezone": "Asia/Tokyo", "time": "12:00"}
    script = [
        {"step": {"intent": "time_convert_time", **asked}},
        {"expect": "21:00", "step": {"intent": "done_for_now", "message": "It is 21:00."}},
    ]
    lines = "".join(f"{json.dumps(line)}\n" for line in script)
    (mine.path / "script.jsonl").write_text(lines, "utf-8")
    given = {"MODEL": "scripted:script.jsonl"}
    left = in_shell(mine, "uv run agent run 'noon in Tokyo'", code=WAITING, given=given)
    assert "Asia/Tokyo" in left
    approve, again = (
        re.search(r"(agent approve \w+)", left),
        re.search(r"(agent run --thread \w+)", left),
    )
    assert approve
    assert again
    in_shell(mine, f"uv run {approve[1]}")
    assert "It is 21:00." in in_shell(mine, f"uv run {again[1]}", given=given)


# -- the conformance suite of the protocol ---------------------------------------------------------

SUITE = ("@modelcontextprotocol/conformance@0.1.16", "node@22")
"""The suite needs a newer Node than most machines have; npm brings it."""

OF_ITS_OWN = "it calls a tool, or reads a resource, that only a server made for the suite has"
NO_PROMPTS = "the agent offers no prompts: what is to be done is the text of `start`"
PASSED_BY_SERVER = {
    "dns-rebinding-protection", "ping", "resources-list", "server-initialize",
    "server-sse-multiple-streams", "server-sse-polling", "tools-list",
}  # fmt: skip
"""The two about streams pass because there are none."""
NOT_OF_SERVER = {
    "completion-complete": "the agent has nothing to complete",
    "elicitation-sep1034-defaults": OF_ITS_OWN,
    "elicitation-sep1330-enums": OF_ITS_OWN,
    "json-schema-2020-12": OF_ITS_OWN,
    "logging-set-level": "logs are for whoever runs the agent; the protocol drops this, too",
    "prompts-get-embedded-resource": NO_PROMPTS,
    "prompts-get-simple": NO_PROMPTS,
    "prompts-get-with-args": NO_PROMPTS,
    "prompts-get-with-image": NO_PROMPTS,
    "prompts-list": NO_PROMPTS,
    "resources-read-binary": OF_ITS_OWN,
    "resources-read-text": OF_ITS_OWN,
    "resources-subscribe": "without streams nobody can be told of a change: use wait_for",
    "resources-templates-read": OF_ITS_OWN,
    "resources-unsubscribe": "as resources-subscribe",
    "tools-call-audio": OF_ITS_OWN,
    "tools-call-elicitation": OF_ITS_OWN,
    "tools-call-embedded-resource": OF_ITS_OWN,
    "tools-call-error": OF_ITS_OWN,
    "tools-call-image": OF_ITS_OWN,
    "tools-call-mixed-content": OF_ITS_OWN,
    "tools-call-sampling": OF_ITS_OWN,
    "tools-call-simple-text": OF_ITS_OWN,
    "tools-call-with-logging": OF_ITS_OWN,
    "tools-call-with-progress": OF_ITS_OWN,
}
PASSED_BY_CLIENT = {"auth/client-credentials-basic", "initialize", "sse-retry", "tools_call"}
NOT_OF_CLIENT = {
    "elicitation-sep1034-client-defaults": "the agent declines what a server asks for",
    "auth/": "a person signs in there; the agent has tokens, or client credentials with a secret",
}
"""A name that ends with a slash stands for all others that begin with it."""

HOST = """
import uvicorn
from starlette.applications import Starlette
from agent.engine.http.embedded import mount

host = Starlette()
mount(host, "/agent", lambda request: "ana")
uvicorn.run(host, port={port}, log_level="warning")
"""
CLIENT = """
import asyncio, json, os, sys
import httpx2
from agent.engine.mcp import OAuth, Server
from agent.engine.mcp.connections import connect

url, oauth = sys.argv[-1], None
context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
if "client_secret" in context:
    os.environ |= {"ID": context["client_id"], "SECRET": context["client_secret"]}
    place = url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
    oauth = OAuth(httpx2.get(place).json()["authorization_servers"][0], "ID", "SECRET")

async def call_all():
    async with connect(Server("suite", url=url, oauth=oauth)) as connection:
        for name in connection.tools:
            await connection.call(name, {"a": 2, "b": 3} if name == "add_numbers" else {}, {})

asyncio.run(call_all())
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the suite, and return its folder of programs."""
    if shutil.which("npm") is None:
        pytest.skip("npm is missing")
    place = tmp_path_factory.mktemp("suite")
    words = ["npm", "install", "--silent", "--no-audit", "--no-fund", *SUITE]
    subprocess.run(words, cwd=place, check=True)
    return place / "node_modules/.bin"


def run_suite(suite: Path, *words: str) -> str:
    """Run the suite, whose exit code says that something failed, and return what it prints."""
    ran = subprocess.run(
        [suite / "node", suite / "conformance", *words],
        cwd=suite.parents[1], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    return re.sub(r"\x1b\[\d+m", "", ran.stdout)


@pytest.mark.nightly
def test_the_server_passes_what_applies_of_the_conformance_suite(
    full: Agent, suite: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    (tmp_path / "host.py").write_text(HOST.format(port=port), "utf-8")
    model = {"MODEL": "scripted:sample/deploy/demo.jsonl", "SQLITE_PATH": str(tmp_path / "db")}
    host = subprocess.Popen(
        [full.path / ".venv/bin/python", tmp_path / "host.py"],
        cwd=full.path, env=full.environment | model, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(port)
        url = f"http://localhost:{port}/agent/mcp"
        printed = run_suite(suite, "server", "--suite", "all", "--url", url)
    finally:
        host.terminate()
        host.wait(30)
    results = dict(re.findall(r"^[✓✗] ([\w-]+): \d+ passed, (\d+) failed", printed, re.MULTILINE))
    assert {name for name, failed in results.items() if failed == "0"} == PASSED_BY_SERVER, printed
    assert {name for name, failed in results.items() if failed != "0"} == NOT_OF_SERVER.keys()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise AssertionError("nothing listens there")


@pytest.mark.nightly
def test_the_client_passes_what_applies_of_the_conformance_suite(
    full: Agent, suite: Path, tmp_path: Path
) -> None:
    (tmp_path / "client.py").write_text(CLIENT, "utf-8")
    listed = run_suite(suite, "list").partition("Client scenarios")[2]
    scenarios = set(re.findall(r"^  - (\S+)", listed, re.MULTILINE))
    left = {one for one in scenarios if any(map(one.startswith, NOT_OF_CLIENT))}
    assert scenarios - (left - PASSED_BY_CLIENT) == PASSED_BY_CLIENT
    command = f"{full.path}/.venv/bin/python {tmp_path}/client.py"
    for scenario in sorted(PASSED_BY_CLIENT):
        printed = run_suite(suite, "client", "--command", command, "--scenario", scenario)
        assert "OVERALL: PASSED" in printed, printed
