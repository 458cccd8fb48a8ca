"""The page about MCP, followed to the letter, and a server that somebody else wrote."""

import importlib.util
import json
import re
import subprocess
import sys
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
    for check in ("ruff format --check", "ruff check", "mypy src"):
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
