"""`agent mcp add`, `check` and `update`, in a project with an agent of its own."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import agent
from agent.engine import mcp
from agent.engine.build import Application
from agent.engine.cli import build_commands
from agent.engine.mcp.modules import Home, read_module

from .conftest import start_command
from .small import TICKET, Plan, serve_http

pytestmark = pytest.mark.server

AGENT = """
from typing import Literal

from agent.engine import Agent, Finish, Step


class Done(Step):
    intent: Literal["done"]
    message: str


def decide(step, thread):
    return Finish(step.message)


agent = Agent(steps=Done, decide=decide, prompts="You are a test.")
"""


@dataclass
class Project:
    folder: Path
    """Of the agent."""
    names: tuple[str, ...] = ("desk_a",)

    def run(self, *words: str) -> Result:
        agents = {name: importlib.import_module(f"agent.{name}").agent for name in self.names}
        cli = build_commands(Application(agents=agents).build, mcp.mount)
        return CliRunner().invoke(cli, ["mcp", *words], catch_exceptions=False)

    def add(self, plan: Plan, *options: str) -> Result:
        return self.run("add", *options, "tickets", "--", *start_command(plan))

    @property
    def file(self) -> Path:
        return self.folder / "mcp_tickets.py"

    def load(self) -> Any:
        """Import the module as the agent does."""
        forget_modules()
        return importlib.import_module(f"agent.{self.folder.name}.mcp_tickets")


def forget_modules() -> None:
    for name in [name for name in sys.modules if name.startswith("agent.desk_")]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in ("desk_a", "desk_b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(AGENT, "utf-8")
    (tmp_path / "desk_file.py").write_text(AGENT, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(agent, "__path__", [*agent.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Project(tmp_path / "desk_a")
    forget_modules()


def test_added_tools_are_code_that_passes_the_checks(project: Project, plan: Plan) -> None:
    ran = project.add(plan)
    assert ran.exit_code == 0, ran.output
    assert "Wrote 'desk_a/mcp_tickets.py': tools create_ticket." in ran.output
    assert "case TicketsCreateTicket():" in ran.output
    assert 'return Run(tickets_create_ticket, approvers=("owner",))' in ran.output
    module = project.load()
    step = module.TicketsStep(intent="tickets_create_ticket", title="It burns")
    assert step.urgent is None
    root = Path(__file__).parents[3]
    for check in (["check"], ["format", "--check"]):
        subprocess.run(
            ["ruff", *check, "--config", root / "pyproject.toml", project.file], check=True
        )


def test_what_is_there_is_not_overwritten(project: Project, plan: Plan) -> None:
    project.file.write_text("mine\n", "utf-8")
    ran = project.add(plan)
    assert ran.exit_code == 1
    assert "is there already and is yours" in ran.output
    assert project.file.read_text("utf-8") == "mine\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("add", "Tickets", "https://x.example"), "is not a name of small letters"),
        (("add", "class", "https://x.example"), "is not a name of small letters"),
        (("add", "t" * 25, "https://x.example"), "more than 24 characters"),
        (("add", "tickets", "ftp://x.example"), "cannot be started"),
        (("add", "tickets", "https://"), "is not a URL"),
        (("add", "tickets", "https://ana:secret@x.example"), "has a password in it"),
        (
            ("add", "--token", "t0ken-itself", "tickets", "https://x.example"),
            "environment variable",
        ),
        (("add", "--env", "X", "tickets", "https://x.example"), "--env is for a command"),
        (("add", "--token", "X", "tickets", "--", "server"), "--token and --issuer are for a URL"),
        (("add", "--scope", "a", "tickets", "https://x.example"), "--scope needs --issuer"),
        (("add", "--agent", "nobody", "tickets", "--", "server"), "there is no agent 'nobody'"),
        (("check",), "no agent has tools of an MCP server. Add one with"),
        (("update", "tickets"), "no agent has tools of an MCP server 'tickets'"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    project: Project, words: tuple[str, ...], why: str
) -> None:
    ran = project.run(*words)
    assert ran.exit_code == 1
    assert why in ran.output
    assert len(ran.output.strip().splitlines()) == 1
    assert not project.file.exists()


def test_of_several_agents_one_has_to_be_named(project: Project, plan: Plan) -> None:
    project.names = ("desk_a", "desk_b")
    assert "--agent desk_a|desk_b" in project.add(plan).output
    assert project.add(plan, "--agent", "desk_b").exit_code == 0
    assert (project.folder.parent / "desk_b/mcp_tickets.py").exists()


def test_an_agent_in_a_single_file_has_to_be_a_folder_first(project: Project, plan: Plan) -> None:
    project.names = ("desk_file",)
    assert "Make it a folder first: desk_file/__init__.py." in project.add(plan).output


def test_only_chosen_tools_are_added(project: Project, plan: Plan) -> None:
    plan.set(tools=[TICKET, TICKET | {"name": "close_ticket"}])
    assert "it has create_ticket, close_ticket" in project.add(plan, "--tool", "open").output
    assert project.add(plan, "--tool", "close_ticket").exit_code == 0
    assert "class TicketsCloseTicket" in project.file.read_text("utf-8")
    assert "class TicketsCreateTicket" not in project.file.read_text("utf-8")
    assert "not added: create_ticket" in project.run("check").output


def test_too_many_tools_have_to_be_chosen(project: Project, plan: Plan) -> None:
    plan.set(tools=[TICKET | {"name": f"t{number}"} for number in range(41)])
    assert "more than 40 are too many. Choose with --tool: t0, t1" in project.add(plan).output
    assert project.add(plan, "--tool", "t7").exit_code == 0


def test_a_tool_that_cannot_be_written_is_left_out_and_named(project: Project, plan: Plan) -> None:
    odd = {"name": "odd", "inputSchema": {"type": "object", "required": ["x"]}}
    plan.set(tools=[odd])
    assert "has no tool that can be used here" in project.add(plan).output
    plan.set(tools=[odd, TICKET])
    assert "Left out odd: it requires 'x' and does not describe it." in project.add(plan).output


def test_a_server_that_is_away_leaves_no_file(project: Project) -> None:
    ran = project.run("add", "tickets", "--", sys.executable, "-c", "raise SystemExit('no key')")
    assert ran.exit_code == 1
    assert "the MCP server 'tickets' closed the connection; it said: no key" in ran.output
    assert not project.file.exists()


def test_the_variables_are_named_and_their_values_are_nowhere(
    project: Project, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env.example").write_text("# -- yours --\n", "utf-8")
    monkeypatch.setenv("TICKETS_TOKEN", "t0ken-of-ana")
    with serve_http(plan, token="t0ken-of-ana") as url:
        ran = project.run("add", "--token", "TICKETS_TOKEN", "tickets", url)
        assert ran.exit_code == 0, ran.output
        assert "Set TICKETS_TOKEN in .env." in ran.output
        assert "# TICKETS_TOKEN=\n" in Path(".env.example").read_text("utf-8")
        written = ran.output + project.file.read_text("utf-8")
        assert "t0ken-of-ana" not in written + Path(".env.example").read_text("utf-8")
        assert project.run("check").exit_code == 0


def test_check_names_each_change(project: Project, plan: Plan) -> None:
    project.add(plan)
    ran = project.run("check")
    assert (ran.exit_code, "the same" in ran.output) == (0, True)
    plan.set(tools=[TICKET | {"description": "Create a ticket. Ask nobody."}])
    ran = project.run("check")
    assert ran.exit_code == 1
    assert "has changed: its description" in ran.output
    plan.set(tools=[])
    assert "is not there any more" in project.run("check").output
    plan.set(mode="error", tools=["no tool"])
    assert project.run("check").exit_code == 1


def test_update_shows_the_difference_and_writes_it_once_somebody_agreed(
    project: Project, plan: Plan
) -> None:
    project.add(plan)
    before = project.file.read_text("utf-8")
    assert "nothing changed" in project.run("update", "tickets").output
    wider = {**TICKET["inputSchema"]["properties"], "team": {"enum": ["red", "blue"]}}  # type: ignore[index]
    schema = {**TICKET["inputSchema"], "properties": wider}  # type: ignore[dict-item]
    plan.set(tools=[TICKET | {"inputSchema": schema}])
    ran = project.run("update", "tickets")
    assert ran.exit_code == 1
    assert '+    team: Literal["red", "blue"] | None = None' in ran.output
    assert project.file.read_text("utf-8") == before
    assert project.run("update", "tickets", "--yes").exit_code == 0
    assert 'team: Literal["red", "blue"] | None = None' in project.file.read_text("utf-8")
    assert project.run("check").exit_code == 0


def test_update_leaves_what_did_not_change_as_its_owner_wrote_it(
    project: Project, plan: Plan
) -> None:
    plan.set(tools=[TICKET, TICKET | {"name": "close_ticket"}])
    project.add(plan)
    text = project.file.read_text("utf-8").replace("Create a ticket.", "Open a ticket.", 1)
    project.file.write_text(text + "\n\nMINE = 1\n", "utf-8")
    plan.set(tools=[TICKET, {**TICKET, "name": "close_ticket", "description": "Close it."}])
    ran = project.run("update", "tickets", "--yes")
    assert ran.exit_code == 0
    after = project.file.read_text("utf-8")
    assert '"""Open a ticket."""' in after
    assert '"""Close it."""' in after
    assert after.endswith("\n\nMINE = 1\n")
    assert project.load().MINE == 1


def test_update_adds_a_tool(project: Project, plan: Plan) -> None:
    project.add(plan)
    plan.set(tools=[TICKET, TICKET | {"name": "close_ticket"}])
    assert project.run("update", "--tool", "close_ticket", "tickets", "--yes").exit_code == 0
    module = project.load()
    assert module.TicketsStep == module.TicketsCreateTicket | module.TicketsCloseTicket
    assert project.run("check").output.count("the same") == 2


def test_update_says_which_tool_is_gone(project: Project, plan: Plan) -> None:
    project.add(plan)
    plan.set(tools=[])
    ran = project.run("update", "tickets")
    assert ran.exit_code == 1
    assert "create_ticket is not there any more" in ran.output


def test_a_module_that_names_no_server_is_said_in_one_line(project: Project) -> None:
    project.file.write_text("SERVER = 1\n", "utf-8")
    assert "SERVER is not an mcp.Server" in project.run("check").output
    project.file.write_text("SERVER = (\n", "utf-8")
    assert "cannot be read" in project.run("check").output


def test_a_tool_has_the_lines_above_its_function(project: Project, plan: Plan) -> None:
    plan.set(tools=[TICKET, TICKET | {"name": "close_ticket"}])
    project.add(plan)
    home = Home("desk_a", project.folder, "agent.desk_a", project.folder / "__init__.py")
    first, second = read_module(home, project.file).tools
    assert (first.name, second.name) == ("create_ticket", "close_ticket")
    assert first.names == {"TicketsCreateTicket", "tickets_create_ticket"}
    assert first.end < second.start
