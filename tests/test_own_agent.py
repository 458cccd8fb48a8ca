"""An owner deletes the sample and writes an agent of another name: all of it stays green."""

import shutil
from pathlib import Path

import pytest

from .conftest import Agent, make

pytestmark = pytest.mark.slow

AGENT = '''\
"""An agent that keeps notes."""

import json
from pathlib import Path
from typing import Literal

from .engine import Action, Agent, Call, Finish, Run, Step, Thread

NOTES = Path("notes.jsonl")


class SaveNote(Step):
    """Keep a note."""

    intent: Literal["save_note"]
    text: str


class Done(Step):
    """Everything asked for is done."""

    intent: Literal["done"]
    message: str


def save_note(step: SaveNote, call: Call) -> str:
    """Idempotent: a note is kept once for each key."""
    if call.key not in (json.loads(line)["key"] for line in read_notes()):
        with NOTES.open("a", encoding="utf-8") as notes:
            notes.write(json.dumps({"key": call.key, "text": step.text}) + "\\n")
    return "saved"


def read_notes() -> list[str]:
    return NOTES.read_text("utf-8").splitlines() if NOTES.exists() else []


def decide(step: SaveNote | Done, thread: Thread) -> Action:
    match step:
        case SaveNote():
            return Run(save_note, effect="idempotent")
        case Done():
            return Finish(step.message)


agent = Agent(steps=SaveNote | Done, decide=decide, prompts="You keep notes.")
'''

KILLS = '''\
"""A kill at any moment keeps each note once."""

import json
from pathlib import Path

from agent.diary import read_notes

from ..engine.sweep import Scenario, sweep


def nothing() -> None:
    """It needs no files."""


def texts() -> list[str]:
    return [json.loads(line)["text"] for line in read_notes()]


TASK = Scenario(Path(__file__).with_name("script.jsonl"), nothing, texts)


def test_a_kill_at_any_moment_keeps_each_note_once(tmp_path: Path) -> None:
    assert sweep(TASK, tmp_path) == ["milk", "tea"]
'''

SCRIPT = """\
{"task": "keep milk and tea"}
{"step": {"intent": "save_note", "text": "milk"}}
{"step": {"intent": "save_note", "text": "tea"}}
{"step": {"intent": "done", "message": "Kept."}}
"""

STORE = '''\
"""A store of one's own is held to the contract, outside the engine's folder."""

import pytest

from agent.engine.stores.memory import MemoryStore

from ..engine.conftest import Clock
from ..engine.stores.contract import StoreContract


class TestNoteStore(StoreContract):
    @pytest.fixture
    def store(self, clock: Clock) -> MemoryStore:
        return MemoryStore(clock, clock.uptime)


async def test_an_async_test_needs_no_fixture() -> None:
    assert await MemoryStore().threads() == []
'''

SUITES = (
    "tests/engine/cli tests/engine/runners tests/engine/test_build.py tests/engine/test_face.py"
)
"""Of the engine: those that start the agents of `app.py`, or read their files."""


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    """A repository whose owner replaced the sample by an agent called `diary`."""
    path = tmp_path_factory.mktemp("own") / "my-agent"
    agent = make(path, {"extra": ["engine-tests"]})
    for folder in ("src/agent/deploy", "tests/deploy", "evals/deploy", "sample"):
        shutil.rmtree(path / folder)
    app = path / "src/agent/app.py"
    app.write_text(
        app.read_text().replace("from .deploy ", "from .diary ").replace("deploy", "diary")
    )
    files = {
        "src/agent/diary.py": AGENT,
        "tests/diary/test_kills.py": KILLS,
        "tests/diary/test_store.py": STORE,
        "tests/diary/script.jsonl": SCRIPT,
    }
    for name, text in files.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text, "utf-8")
    return agent


@pytest.mark.parametrize("check", ["ruff format --check", "ruff check", "mypy", "lint-imports"])
def test_its_checks_pass(diary: Agent, check: str) -> None:
    diary.run(f"uv run {check}")


def test_its_own_tests_and_its_kill_sweep_pass(diary: Agent) -> None:
    told = diary.run("uv run pytest -q")
    assert " passed" in told
    assert "engine" not in told


def test_the_engine_s_tests_pass_without_the_sample(diary: Agent) -> None:
    assert " passed" in diary.run(f"uv run pytest -q {SUITES}")


def test_no_test_of_the_engine_names_the_files_of_the_sample(diary: Agent) -> None:
    files = Path(diary.path, "tests/engine").rglob("*.py")
    texts = {path.name: path.read_text("utf-8") for path in files}
    sample = ("agent.deploy", "agent/deploy", "sample/deploy")
    assert [name for name, text in texts.items() if any(word in text for word in sample)] == []
