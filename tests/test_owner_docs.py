"""The documents of a rendered agent, followed to the letter by somebody who has just got it."""

import base64
import hmac
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import pytest

from .conftest import PROGRAM, Agent, tree

pytestmark = pytest.mark.slow

FENCE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
OWNER = {
    "AGENT_USER": "me",
    "COLUMNS": "100",
    "TERM": "dumb",
    "MODEL": "scripted:sample/deploy/demo.jsonl",
}
WAITING = 3
"""The exit code of a run that a person has to answer first."""


def readable(document: Path) -> str:
    return document.read_text("utf-8")


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
    assert 'tag: "v1.2.3"\n      environment: "production"' in second.until("[l]ater:")
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
    folder = here = mine.path / "src/agent"
    for line in drawn[drawn.index("src/agent/") + 1 :]:
        indent, name = re.findall(r"^( +)(\S+)", line.replace("<agent>", "deploy"))[0]
        path = (folder if len(indent) == 2 else here) / name
        assert path.exists(), line
        if len(indent) == 2:
            here = path
    for name in re.findall(r"`((?:src|docs|tests|evals|sample)/[\w<>./-]+)`", readme):
        assert (mine.path / name.replace("<agent>", "deploy")).exists(), name


# -- docs/operating.md -------------------------------------------------------------------------


def test_a_backup_is_restored_as_it_says_and_an_old_question_answered(
    full: Agent, readme: str, tmp_path: Path
) -> None:
    agent = full.copy(tmp_path / "my-agent")
    page = readable(agent.path / "docs/operating.md")
    back_up, restore, restored = commands(page.partition("## Back up and restore\n")[2])
    left = in_shell(agent, commands(readme)[1], code=WAITING)
    approve, again = re.findall(
        r"^  (uv run agent (?:approve|run) .*?)(?: #.*)?$", left, re.MULTILINE
    )
    in_shell(agent, back_up)
    assert (agent.path / "backup.db").stat().st_mode & 0o077 == 0
    for _ in range(2):
        in_shell(agent, approve)
        assert "v1.2.3" in in_shell(agent, again)
        in_shell(agent, restore)
        assert "approvals whose call may have run: 1;" in in_shell(agent, restored)
    assert "approvals whose call may have run: 0;" in in_shell(agent, restored)


# -- docs/factors.md ---------------------------------------------------------------------------


def test_every_factor_is_in_the_file_that_its_page_names(full: Agent) -> None:
    page = readable(full.path / "docs/factors.md")
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| (your agent: )?`([^`]+)` \|", page, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 14))
    for number, yours, name in rows:
        home = full.path / "src/agent" / ("deploy" if yours else "engine") / name
        first = readable(home).splitlines()[0]
        assert home.suffix == ".md" or f"Factor {number}:" in first, name


# -- docs/recipes -----------------------------------------------------------------------------

WRITE = re.compile(r"New file `([^`]+)`:\n\n```\w+\n(.*?)```", re.DOTALL)
CHANGE = re.compile(r"Change `([^`]+)`(?:, here)?:\n\n((?:```diff\n.*?```\s*)+)", re.DOTALL)


@pytest.fixture(scope="module")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Let mypy remember from one recipe to the next what it knows of the rest."""
    return {"MYPY_CACHE_DIR": str(tmp_path_factory.mktemp("types"))}


@pytest.fixture
def extended(full: Agent, tmp_path: Path, mypy_cache: dict[str, str]) -> Agent:
    copied = full.copy(tmp_path / "my-agent")
    return replace(copied, environment=copied.environment | mypy_cache)


def apply(path: Path, change: str) -> None:
    """Apply one `diff` block, whose context stands exactly once in the file."""
    lines = change.splitlines(keepends=True)
    assert {line[0] for line in lines} <= {" ", "+", "-"}
    old = "".join(line[1:] for line in lines if line[0] != "+")
    new = "".join(line[1:] for line in lines if line[0] != "-")
    text = readable(path)
    assert text.count(old) == 1, f"{path}\n{old}"
    path.write_text(text.replace(old, new), "utf-8")


def follow(agent: Agent, recipe: str) -> None:
    """Write and change all that a recipe says."""
    written, changed = WRITE.findall(recipe), CHANGE.findall(recipe)
    diffs = [(path, one) for path, blocks in changed for _, one in FENCE.findall(blocks)]
    kinds = [kind for kind, _ in FENCE.findall(recipe)]
    assert len(written) + len(diffs) == len(kinds) - kinds.count("console") - kinds.count("text")
    for path, text in written:
        assert not (agent.path / path).exists()
        (agent.path / path).parent.mkdir(parents=True, exist_ok=True)
        (agent.path / path).write_text(text, "utf-8")
    for path, change in diffs:
        apply(agent.path / path, change)


def recipe_of(agent: Agent, name: str) -> str:
    return readable(agent.path / "docs/recipes" / f"{name}.md")


def follow_and_run(agent: Agent, name: str, code: int = 0) -> str:
    """Follow a recipe and run its commands, the last of which ends with `code`."""
    recipe = recipe_of(agent, name)
    follow(agent, recipe)
    *first, last = commands(recipe)
    given = dict[str, str]()
    printed = ""
    for command in first:
        if command.startswith("export "):
            given |= dict(one.split("=", 1) for one in command.split()[1:])
        else:
            printed += in_shell(agent, command, given=given)
    printed += in_shell(agent, last, code=code, given=given)
    for output in outputs(recipe):
        assert output in printed
    return printed


def test_the_index_names_every_recipe(full: Agent) -> None:
    index = readable(full.path / "docs/recipes/README.md")
    pages = {path.name for path in (full.path / "docs/recipes").glob("*.md")}
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", index)) == pages - {"README.md"}


def test_a_tool_its_policy_and_its_prompt_line_are_added_as_it_says(extended: Agent) -> None:
    follow_and_run(extended, "tool")
    deployed = json.loads(readable(extended.path / "data/deployed/staging.json"))
    assert deployed["tag"] == "v1.2.2"
    checks(extended, "check")


def test_a_rule_over_several_calls_is_written_as_it_says(extended: Agent) -> None:
    printed = follow_and_run(extended, "rule", code=WAITING)
    assert printed.count("refunded 99 EUR") == 3
    checks(extended, "check")


def test_an_event_reads_as_it_says(extended: Agent) -> None:
    follow_and_run(extended, "context")
    checks(extended, "check")


def test_a_second_agent_is_added_and_takes_the_place_of_the_sample_as_it_says(
    extended: Agent,
) -> None:
    printed = follow_and_run(extended, "second-agent")
    assert re.search(r"^\w+ +notes +finished ", printed, re.MULTILINE)
    checks(extended, "check")
    recipe = recipe_of(extended, "replace-sample")
    follow(extended, recipe)
    delete, make = commands(recipe)
    in_shell(extended, delete)
    checks(extended, *make.removeprefix("make ").split())
    in_shell(extended, "uv run pytest -q tests/engine/test_*.py tests/engine/runners")
    ran = in_shell(
        extended, "uv run agent run milk", given={"MODEL": "scripted:sample/notes/demo.jsonl"}
    )
    assert "I will remember the milk." in ran


def test_a_task_is_delegated_as_it_says(extended: Agent) -> None:
    printed = follow_and_run(extended, "delegate")
    assert re.search(r"^└─ \w+ +rollback +finished ", printed, re.MULTILINE)
    checks(extended, "check")


def test_a_tool_asks_the_model_as_it_says(extended: Agent) -> None:
    printed = follow_and_run(extended, "ask-model")
    assert "asked the model inside the tool, which answered risk(" in printed
    checks(extended, "check")


def test_a_case_is_captured_as_it_says(extended: Agent) -> None:
    left = in_shell(extended, "uv run agent run 'deploy the latest backend'", code=WAITING)
    (thread,) = set(re.findall(r"--thread (\w+)", left))
    capture, rated, *_ = commands(recipe_of(extended, "evals"))
    in_shell(extended, capture.replace("ID", thread).replace("N ", "3 "))
    captured = extended.path / "evals/deploy/captured.jsonl"
    assert json.loads(readable(captured))["name"] == "newest tag to staging"
    assert "1 passed" in in_shell(extended, "uv run pytest -q evals -k newest")
    in_shell(extended, f"uv run agent rate {thread}:3 bad --text 'ask first'")
    in_shell(extended, rated)
    last = json.loads(readable(captured).splitlines()[-1])
    assert (last["reject"]["intent"], "ask first" in last["about"]) == ("deploy_backend", True)
    assert "1 failed" in in_shell(extended, f"uv run pytest -q evals -k {thread}", code=1)


def test_models_are_compared_recorded_and_judged_as_it_says(extended: Agent) -> None:
    """The models are recordings, under other names."""
    recipe = recipe_of(extended, "evals")
    follow(extended, re.sub(r"```json\n.*?```", "", recipe, flags=re.DOTALL))
    for name in ("openai", "anthropic"):
        shutil.copy(extended.path / "evals/deploy/recordings.jsonl", extended.path / name)
    _, _, compare, record, replay, several = (
        command.replace("openai:NAME", "recorded:openai").replace(
            "anthropic:NAME", "recorded:anthropic"
        )
        for command in commands(recipe)
    )
    (table,) = outputs(recipe)
    compared = in_shell(extended, compare)
    assert table.splitlines()[0].split() in [line.split() for line in compared.splitlines()]
    assert compared.count("13 of 13 (100%)") == 2
    in_shell(extended, record)
    recorded = readable(extended.path / "evals/deploy/recordings.jsonl").splitlines()
    assert {json.loads(line)["model"] for line in recorded} == {"recorded:openai"}
    assert "13 of 13 (100%)" in in_shell(extended, replay)
    assert "13 passed" in in_shell(extended, several.replace("pytest", "pytest -q"))
    checks(extended, "check", "test")


def test_a_program_of_one_s_own_starts_an_agent_as_it_says(extended: Agent) -> None:
    recipe = recipe_of(extended, "program")
    follow(extended, recipe)
    work, start = commands(recipe)
    worker = subprocess.Popen(
        ["bash", "-c", f"exec {work}"], cwd=extended.path, env=extended.environment | OWNER,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        printed, again = in_shell(extended, start), in_shell(extended, start)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    assert printed == again
    assert outputs(recipe)[0] in printed


def test_threads_move_to_another_store_as_it_says(extended: Agent) -> None:
    left = in_shell(extended, "uv run agent run 'deploy the latest backend'", code=WAITING)
    (thread,) = set(re.findall(r"--thread (\w+)", left))
    moves = re.findall(r"`(uv run agent [^`]+)`", recipe_of(extended, "moving"))
    in_shell(extended, moves[0])
    in_shell(extended, moves[1], given={"SQLITE_PATH": "data/new.db"})
    listed = in_shell(extended, "uv run agent threads", given={"SQLITE_PATH": "data/new.db"})
    assert re.search(rf"^{thread} +waits", listed, re.MULTILINE)


# -- docs/recipes: other systems ---------------------------------------------------------------

ASKS = {
    "intent": "request_more_information",
    "question": "Sure?",
    "urgency": "low",
    "format": "yes_no",
    "choices": [],
}
DEADLINE_S = 120


@dataclass
class Process:
    """A program that goes on, in a terminal of its own; what it says is in a file."""

    agent: Agent
    command: str
    given: dict[str, str]
    folder: Path

    def start(self) -> None:
        self.said = self.folder / f"{time.monotonic_ns()}.log"
        with self.said.open("w") as said:
            self._program = subprocess.Popen(
                ["bash", "-c", self.command],
                cwd=self.agent.path, env=self.agent.environment | OWNER | self.given,
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        until(self._runs)

    def kill(self) -> None:
        """Return when nothing is left of it."""
        os.killpg(self._program.pid, signal.SIGKILL)
        self._program.wait()
        until(lambda: not self._listens())

    def _runs(self) -> bool:
        assert self._program.poll() is None, readable(self.said)
        return self._listens()

    def _listens(self) -> bool:
        port = int(re.findall(r" (\d{4,5})\b", self.command)[0])
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Terminals:
    """The terminals of a recipe that has several."""

    agent: Agent
    recipe: str
    folder: Path
    programs: list[Process]

    def opens(self) -> list[str]:
        """Follow the recipe up to its first program; return its commands, ports free here."""
        follow(self.agent, self.recipe)
        self.given = {"TOKEN": os.urandom(16).hex()}
        found = commands(self.recipe)
        for export in (one for one in found if one.startswith("export ")):
            names = re.findall(r"(\w+)=", export)
            values = in_shell(self.agent, f"{export}; printenv {' '.join(names)}").split()
            self.given |= dict(zip(names, values, strict=True))
        return [one for one in found if not one.startswith("export ")]

    def starts(self, command: str) -> Process:
        program = Process(self.agent, command, self.given, self.folder)
        self.programs.append(program)
        program.start()
        return program

    def says(self, command: str) -> str:
        return in_shell(self.agent, command, given=self.given)

    def log(self, path: str = ".") -> list[dict[str, Any]]:
        """Return the newest thread of an agent."""
        shown = self.says(f"cd {path} && uv run agent show --json")
        return [json.loads(line) for line in shown.splitlines()]

    def shows(self, *types: str, path: str = ".") -> None:
        """Wait until the log of the newest thread ends so."""
        until(lambda: [one["type"] for one in self.log(path)][-len(types) :] == [*types])


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline


@pytest.fixture
def terminals(extended: Agent, tmp_path: Path) -> Iterator[Callable[[str], Terminals]]:
    programs: list[Process] = []

    def opened(name: str) -> Terminals:
        recipe = recipe_of(extended, name)
        for port in sorted(set(re.findall(r"(?:localhost:|--port )(\d+)", recipe))):
            with socket.create_server(("127.0.0.1", 0)) as free:
                recipe = re.sub(rf"\b{port}\b", str(free.getsockname()[1]), recipe)
        return Terminals(extended, recipe, tmp_path, programs)

    yield opened
    for program in programs:
        with suppress(ProcessLookupError):
            program.kill()


def ends_as_shown(here: Terminals, launch: str, show: str) -> None:
    """Send the message of a recipe, and find in the log what the recipe prints of it."""
    here.says(launch)
    here.shows("finished")
    (output,) = outputs(here.recipe)
    assert output in here.says(show)
    checks(here.agent, "check")
    here.says("uv run pytest -q tests/deploy")


def test_a_tool_waits_for_another_system_as_it_says(
    terminals: Callable[[str], Terminals],
) -> None:
    here = terminals("long-running-tool")
    builds, serve, launch, show = here.opens()
    here.starts(builds)
    here.starts(serve)
    ends_as_shown(here, launch, show)


class Builds(BaseHTTPRequestHandler):
    """A build system that has an order, and then sees who ordered die before hearing so."""

    orders: ClassVar[list[str]]
    dies: ClassVar[list[Process]]

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.orders.append(order["reference"])
        if self.dies:
            self.dies[0].kill()
            self.dies.clear()
            return
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_job_whose_agent_dies_in_the_tool_and_in_the_wait_is_one_job(
    terminals: Callable[[str], Terminals],
) -> None:
    here = terminals("long-running-tool")
    builds, serve, launch, _ = here.opens()
    port, url = builds.split()[-2:]
    Builds.orders, Builds.dies = [], []
    with ThreadingHTTPServer(("127.0.0.1", int(port)), Builds) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        agent = here.starts(serve)
        Builds.dies.append(agent)
        with suppress(AssertionError):  # it may die while it answers
            here.says(launch)
        until(lambda: not Builds.dies)
        agent.start()
        here.shows("tool_started", "tool_started", "paused", "delivered")
        agent.kill()
        agent.start()
        key = Builds.orders[0]
        report = json.dumps({"reference": key, "status": "succeeded", "message": "v1.2.3"})
        signed = signature(report, here.given["BUILDS_WEBHOOK_SECRET"])
        first, again = (json.loads(here.says(f"curl -s {url} {signed}")) for _ in range(2))
        assert first.keys() == {"id", "seq"}
        assert again == first
        here.shows("resumed", "step", "finished")
        server.shutdown()
    assert Builds.orders == [key, key]


def signature(body: str, secret: str) -> str:
    """Sign by hand, as https://www.standardwebhooks.com says; return what curl sends."""
    at = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"build-1.{at}.{body}".encode(), "sha256")
    headers = {
        "content-type": "application/json",
        "webhook-id": "build-1",
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
    sent = " ".join(f"-H '{name}: {value}'" for name, value in headers.items())
    return f"{sent} -d '{body}'"


@pytest.fixture
def helped(terminals: Callable[[str], Terminals]) -> tuple[Terminals, list[str]]:
    """Return an agent and its helper, made as it says, and the commands that are left."""
    here = terminals("agent-as-tool")
    new = commands(here.recipe)[0].removeprefix("uvx create-12-factor-agent")
    in_shell(here.agent, f"{' '.join(PROGRAM)} {new} --no-git")
    return here, here.opens()[1:]


def test_another_agent_does_a_task_as_it_says(helped: tuple[Terminals, list[str]]) -> None:
    here, (help_, serve, launch, show) = helped
    here.starts(help_)
    here.starts(serve)
    ends_as_shown(here, launch, show)


def test_a_folder_is_a_way_in_and_out_as_it_says(
    terminals: Callable[[str], Terminals],
) -> None:
    here = terminals("adapters")
    make, serve, ask, read = here.opens()
    here.says(make)
    here.starts(serve)
    here.says(ask)
    until((here.agent.path / read.split()[-1]).exists)
    (output,) = outputs(here.recipe)
    until(lambda: here.says(read) == output)
    checks(here.agent, "check")


def test_two_agents_that_die_in_between_do_nothing_twice(
    helped: tuple[Terminals, list[str]],
) -> None:
    """The helper has a question first, so that both can be killed while they wait."""
    here, (help_, serve, launch, _) = helped
    script = here.agent.path / "../helper/sample/deploy/task.jsonl"
    script.write_text(json.dumps({"step": ASKS}) + "\n" + readable(script), "utf-8")
    programs = [here.starts(help_), here.starts(serve)]
    here.says(launch)
    here.shows("tool_started", "paused", "delivered")
    here.shows("paused", "delivered", path="../helper")
    for program in programs:
        program.kill()
    for program in programs:
        program.start()
    (thread,) = re.findall(r"Thread (\S+):", here.says("cd ../helper && uv run agent show"))
    here.says(f"cd ../helper && uv run agent answer {thread} yes")
    here.shows("finished")
    types = [one["type"] for one in here.log()]
    assert (types.count("tool_started"), types.count("resumed")) == (1, 1)
    task = [one["type"] for one in here.log("../helper")]
    assert (task.count("message"), task.count("tool_started"), task.count("finished")) == (2, 1, 1)
