"""The documents of a rendered agent, followed to the letter by somebody who has just got it."""

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from .conftest import PROGRAM, Agent, tree

FENCE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
OWNER = {
    "AGENT_USER": "me",
    "COLUMNS": "100",
    "TERM": "dumb",
    "MODEL": "scripted:sample/demo.jsonl",
}
WAITING = 3
"""The exit code of a run that a person has to answer first."""


def readable(document: Path) -> str:
    return document.read_text("utf-8")


def section(text: str, title: str) -> str:
    """Return what stands below a heading of the second level."""
    return re.split(r"^## .*\n", text.partition(f"\n## {title}\n")[2], flags=re.MULTILINE)[0]


def commands(text: str) -> list[str]:
    """Return the commands of the `console` blocks, each with its continued lines."""
    found: list[str] = []
    for kind, block in FENCE.findall(text):
        if kind == "console":
            assert block.startswith("$ ")
            found += [one.removeprefix("$ ").strip() for one in block.split("\n$ ")]
    return found


def outputs(text: str) -> list[str]:
    """Return the `text` blocks: what a command is said to print."""
    return [block for kind, block in FENCE.findall(text) if kind == "text"]


def in_shell(
    agent: Agent, command: str, *, code: int = 0, given: Mapping[str, str] = MappingProxyType({})
) -> str:
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=agent.path, env={**agent.environment, **OWNER, **given}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ran.returncode == code, f"{command}\n{ran.stdout[-6000:]}"
    return ran.stdout


def checks(agent: Agent, *targets: str) -> None:
    """Run what the targets of its Makefile run, without asking for `make`."""
    rules = readable(agent.path / "Makefile").split("\n\n")
    for target in targets:
        (rule,) = (rule for rule in rules if rule.startswith(f"{target}:"))
        for line in rule.splitlines()[1:]:
            in_shell(agent, line.strip())


class Terminal:
    """A real terminal with a person at it."""

    def __init__(self, agent: Agent, command: str) -> None:
        self._person, program = pty.openpty()
        self._program = subprocess.Popen(
            ["bash", "-c", command],
            cwd=agent.path, env=agent.environment | OWNER, start_new_session=True,
            stdin=program, stdout=program, stderr=program,
        )  # fmt: skip
        os.close(program)
        self.shown = ""

    def until(self, text: str) -> str:
        """Read on until the screen shows a text; return all it has shown."""
        while text not in self.shown:
            readable, _, _ = select.select([self._person], [], [], 60)
            assert readable, self.shown
            try:
                self.shown += os.read(self._person, 65_536).decode().replace("\r\n", "\n")
            except OSError:  # the other end is closed
                raise AssertionError(self.shown) from None
        return self.shown

    def types(self, text: str) -> None:
        os.write(self._person, text.encode())

    def kill(self) -> None:
        """End it as `kill -9` does."""
        os.killpg(self._program.pid, signal.SIGKILL)
        self.leaves()

    def leaves(self) -> int:
        code = self._program.wait(60)
        os.close(self._person)
        return code


# -- README.md -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mine(full: Agent, tmp_path_factory: pytest.TempPathFactory) -> Agent:
    """Return an agent of its own: it deploys, and keeps threads."""
    return full.copy(tmp_path_factory.mktemp("mine") / "my-agent")


@pytest.fixture(scope="module")
def readme(mine: Agent) -> str:
    return readable(mine.path / "README.md")


@dataclass(frozen=True)
class Service:
    """`agent serve` as the README starts it, and its `curl` lines."""

    agent: Agent
    port: int
    token: str

    def says(self, curl: str, **variables: str) -> str:
        assert ":8000" in curl
        curl = curl.replace(":8000", f":{self.port}")
        return in_shell(self.agent, curl, given={"TOKEN": self.token, **variables})


@pytest.fixture
def service(mine: Agent, readme: str) -> Iterator[Service]:
    export, serve, *_ = commands(readme.partition("As a service")[2])
    token = in_shell(mine, f"{export}; printenv TOKEN").strip()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    program = subprocess.Popen(
        ["bash", "-c", f"{serve.replace('uv run', 'exec uv run')} --port {port}"],
        cwd=mine.path, env=mine.environment | OWNER | {"TOKEN": token}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    for line in program.stdout or ():
        if "Uvicorn running" in line:
            break
    yield Service(mine, port, token)
    program.send_signal(signal.SIGTERM)
    assert "Application shutdown complete" in program.communicate(timeout=60)[0]


def test_the_demo_shows_what_the_readme_shows_and_survives_being_killed(
    mine: Agent, readme: str
) -> None:
    shown, log, *_ = outputs(readme)
    demo = commands(readme)[0]
    first = Terminal(mine, demo)
    assert shown in first.until("[l]ater:")
    first.kill()
    second = Terminal(mine, demo)
    assert 'tag: "v1.2.3"\n    environment: "production"' in second.until("[l]ater:")
    assert "▸" not in second.shown  # staging was deployed by the one that was killed
    second.types("approve\n")
    assert log in second.until("agent show --prompt")
    assert second.leaves() == 0


def test_a_run_is_answered_over_http_by_whom_people_toml_names(
    mine: Agent, readme: str, service: Service
) -> None:
    """The README from "With a model" on, with the model replaced by the script."""
    run = commands(readme)[1]
    launch, waits, answer = commands(readme)[4:7]
    people = mine.path / "people.toml"
    assert '# [ana]\n# cli = "ana"' in readable(people)
    people.write_text('[ana]\ncli = "me"\n', "utf-8")
    left = in_shell(mine, run, code=WAITING)
    assert "Left waiting. Answer with:" in left
    local = re.findall(r"--thread (\w+)", left)[-1]
    remote = json.loads(service.says(launch))["id"]

    def asked() -> dict[str, dict[str, Any]]:
        return {wait["thread"]: wait for wait in json.loads(service.says(waits))}

    deadline = time.monotonic() + 60
    while remote not in asked():
        assert time.monotonic() < deadline
    for thread, wait in asked().items():
        assert wait["audience"] == ["ana"], thread
        service.says(answer, ID=thread, WAIT=str(wait["wait"]), DIGEST=wait["digest"])
    while " waits" in (listed := in_shell(mine, "uv run agent threads")) or "running" in listed:
        assert time.monotonic() < deadline
    assert listed.count("finished") == 2
    assert f"\n{local}" in listed


def test_the_other_commands_it_names_run(mine: Agent, readme: str) -> None:
    left = in_shell(mine, commands(readme)[1], code=WAITING)
    thread = re.findall(r"--thread (\w+)", left)[-1]
    named = re.findall(r"`(uv run agent [^`]+)`", " ".join(readme.split()))
    assert named
    for command in named:
        code = WAITING if " agent run " in command else 0
        printed = in_shell(mine, command.replace("ID", thread), code=code)
        assert "deploy the latest backend" in printed or thread in printed
    for target in set(re.findall(r"`make ([\w-]+)`", readme)):
        assert f"\n{target}:" in readable(mine.path / "Makefile")


def test_the_command_that_made_it_makes_it_again(full: Agent, readme: str, tmp_path: Path) -> None:
    again = commands(readme)[-1].removeprefix("uvx create-12-factor-agent")
    program = Agent(tmp_path, full.environment)
    in_shell(program, f"{' '.join(PROGRAM)} {again} --yes --no-install --no-git")
    made, ours = tree(tmp_path / "my-agent"), tree(full.path)
    assert made == {name: ours[name] for name in made}


def test_it_shows_no_command_that_is_not_tried_here(readme: str) -> None:
    assert [re.split(r" [\"{-]| my-agent|=|localhost", one)[0] for one in commands(readme)] == [
        "uv run agent demo",
        "uv run agent run",
        "export TOKEN",
        "API_TOKENS",
        "curl",
        "curl",
        "curl",
        "uvx create-12-factor-agent",
    ]


def test_its_map_and_its_table_name_what_is_there(mine: Agent, readme: str) -> None:
    drawn = [line for block in outputs(readme) for line in block.splitlines()]
    drawn = drawn[drawn.index("src/agent/") + 1 :]
    for name in re.findall(r"[\w/]+(?:\.py|/)(?=\s)", "\n".join(line[:36] for line in drawn)):
        assert (mine.path / "src/agent" / name).exists(), name
    for name in re.findall(r"`((?:src|docs|tests)/[\w./]+|\w+\.md)`", readme):
        assert (mine.path / name).exists(), name


# -- docs/extending.md -----------------------------------------------------------------------

WRITE = re.compile(r"New file `([^`]+)`:\n\n```\w+\n(.*?)```", re.DOTALL)
CHANGE = re.compile(r"Change `([^`]+)`:\n\n((?:```diff\n.*?```\s*)+)", re.DOTALL)


@pytest.fixture
def extended(full: Agent, tmp_path: Path) -> Agent:
    return full.copy(tmp_path / "my-agent")


def apply(path: Path, change: str) -> None:
    """Apply one `diff` block, whose context stands exactly once in the file."""
    lines = change.splitlines(keepends=True)
    assert {line[0] for line in lines} <= {" ", "+", "-"}
    old = "".join(line[1:] for line in lines if line[0] != "+")
    new = "".join(line[1:] for line in lines if line[0] != "-")
    text = readable(path)
    assert text.count(old) == 1, f"{path}\n{old}"
    path.write_text(text.replace(old, new), "utf-8")


def test_a_tool_its_policy_and_its_prompt_line_are_added_as_it_says(extended: Agent) -> None:
    recipe = section(
        readable(extended.path / "docs/extending.md"), "A tool, its policy and its prompt line"
    )
    written, changed = WRITE.findall(recipe), CHANGE.findall(recipe)
    diffs = [(path, one) for path, blocks in changed for _, one in FENCE.findall(blocks)]
    kinds = [kind for kind, _ in FENCE.findall(recipe)]
    assert len(written) + len(diffs) == len(kinds) - kinds.count("console") - kinds.count("text")
    for path, text in written:
        assert not (extended.path / path).exists()
        (extended.path / path).write_text(text, "utf-8")
    for path, change in diffs:
        apply(extended.path / path, change)
    printed = "".join(in_shell(extended, command) for command in commands(recipe))
    for output in outputs(recipe):
        assert output in printed
    deployed = json.loads(readable(extended.path / "sample/deployed/staging.json"))
    assert deployed["tag"] == "v1.2.2"
    checks(extended, "check", "test")


TOOLS = '''"""Factor 1: natural language to tool calls. Yours: this one keeps notes."""

from .human import DoneForNow, RequestMoreInformation
from .notes import TakeNote

NextStep = TakeNote | RequestMoreInformation | DoneForNow
'''
NOTES = '''"""Notes, in a file."""

from pathlib import Path
from typing import Literal

from ..actions import Step


class TakeNote(Step):
    """Write one line down."""

    intent: Literal["take_note"]
    text: str


def take_note(step: TakeNote, key: str) -> str:
    Path("note.txt").write_text(step.text, "utf-8")
    return "written"
'''
CONTROL_FLOW = '''"""Factor 8: own your control flow. Yours."""

from typing import Any

from .actions import Action, Ask, Finish, Run
from .state import Limits
from .tools import NextStep
from .tools.human import DoneForNow, RequestMoreInformation
from .tools.notes import TakeNote, take_note

LIMITS = Limits(steps=10)


def decide(step: NextStep) -> Action:
    match step:
        case TakeNote():
            return Run(take_note, effect="idempotent")
        case RequestMoreInformation():
            return Ask(step.question)
        case DoneForNow():
            return Finish(step.message)


def prefetch(message: str) -> dict[str, Any]:
    """Factor 13: nothing yet."""
    return {}
'''
SAYS = """{"step": {"intent": "take_note", "text": "milk"}}
{"step": {"intent": "done_for_now", "message": "Noted."}}
"""


def test_the_sample_is_replaced_as_it_says_and_the_core_s_tests_stay_green(
    extended: Agent,
) -> None:
    recipe = section(readable(extended.path / "docs/extending.md"), "Replacing the sample")
    deleted = re.findall(r"`([\w/.]+)`", recipe.partition("Delete")[2].partition("write")[0])
    assert len(deleted) == 6
    for name in deleted:
        path = extended.path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    inside = extended.path / "src/agent"
    (inside / "tools/__init__.py").write_text(TOOLS, "utf-8")
    (inside / "tools/notes.py").write_text(NOTES, "utf-8")
    (inside / "control_flow.py").write_text(CONTROL_FLOW, "utf-8")
    (inside / "prompts/system.md").write_text("You take notes.\n", "utf-8")
    (extended.path / "notes.jsonl").write_text(SAYS, "utf-8")
    assert "Noted." in in_shell(
        extended, "uv run agent run milk", given={"MODEL": "scripted:notes.jsonl"}
    )
    assert readable(extended.path / "note.txt") == "milk"
    checks(extended, "check", "test")
