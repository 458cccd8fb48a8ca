"""The command line as a person runs it, and the agents it makes as their owners run them."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from importlib.metadata import PackageMetadata
from itertools import chain
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from jinja2 import Environment

from create_12_factor_agent import (
    answers,
    catalog,
    generate,
    report,
    source,
    target,
    terminal,
)
from create_12_factor_agent import (
    program as entry,
)

ROOT = Path(__file__).parents[1]
PROGRAM = (str(Path(sys.executable).with_name(source.NAME)),)

RANDOM, SEED = "--random", "--seed"

SHARED = ("test_matrix.py", "test_faults.py")
LONGEST_FIRST = ("test_owner_docs.py", "test_drill.py", "test_owners.py", "test_layout.py", *SHARED)

FULL = {
    question.name: list(question.choices)
    for question in catalog.questions()
    if question.several and question.choices
}
"""Every part at once, of questions with several answers."""

DISTRIBUTED = FULL | {"store": "postgres", "runner": "procrastinate"}
"""For many machines."""


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Run = Callable[..., Ran]
Installed = Callable[..., None]
OURS = metadata.metadata(source.NAME)


@dataclass(frozen=True)
class Agent:
    """A rendered agent with an environment of its own."""

    path: Path
    environment: dict[str, str]

    def run(self, command: str, *, timeout_s: float = 300) -> str:
        ran = subprocess.run(
            command.split(),
            cwd=self.path, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=timeout_s,
        )  # fmt: skip
        assert ran.returncode == 0, f"{command}\n{ran.stdout[-6000:]}"
        return ran.stdout

    def copy(self, path: Path) -> "Agent":
        """Copy what its owner would commit, and install the copy."""
        left = shutil.ignore_patterns(".venv", "__pycache__", ".*_cache", ".hypothesis", "data")
        shutil.copytree(self.path, path, ignore=left)
        agent = Agent(path, self.environment)
        agent.run("uv sync --quiet")
        return agent


def owner_s_environment() -> dict[str, str]:
    """Return our variables without those that are about our own environment."""
    ours = {"VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH", "UV_OFFLINE"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"PYTHONDONTWRITEBYTECODE": ""}


def make(path: Path, given: dict[str, Any]) -> Agent:
    """Render an agent and install it, as an owner does."""
    generate.new(path, answers.check(given), ask=False)
    agent = Agent(path, owner_s_environment())
    agent.run("uv sync --quiet --compile-bytecode")
    return agent


@contextmanager
def outside() -> Iterator[Path]:
    """Make a folder for an agent with a PostgreSQL of its own.

    Not one of pytest's: run by root, PostgreSQL is somebody else, who may not look into those.
    """
    with tempfile.TemporaryDirectory(prefix="agent-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it stands here, in a plain folder: quick to render from."""
    folder = tmp_path_factory.mktemp("newest")
    for name in checked_in():
        if name == "copier.yml" or name.startswith("template/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def pytest_configure() -> None:
    """Let Jinja compile each text once: Copier has it compile the name of every file again."""
    compiled: dict[tuple[Any, ...], CodeType] = {}
    compile_ = Environment.compile

    def once(self: Environment, source: Any, *rest: Any, **settings: Any) -> Any:
        # The lexer stands for all that says how a template is written.
        key = (type(self), self.lexer, *self.extensions, source, *rest, *settings.items())
        if key not in compiled:
            compiled[key] = compile_(self, source, *rest, **settings)
        return compiled[key]

    Environment.compile = once  # type: ignore[method-assign]


def pytest_addoption(parser: pytest.Parser) -> None:
    more = "test so many variants more, drawn at random"
    parser.addoption(RANDOM, type=int, default=0, metavar="N", help=more)
    parser.addoption(SEED, type=int, default=0, help="draw others")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that processes end at about the same time."""
    items.sort(key=lambda item: [*LONGEST_FIRST, item.path.name].index(item.path.name))


@pytest.hookimpl(optionalhook=True)  # not without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share the tests out by files, and a file that takes long by what its tests are about."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    sharing = LoadScopeScheduling(config, log)
    sharing._split_scope = _scope
    return sharing


def _scope(nodeid: str) -> str:
    """Return the file of a test, and what stands before a colon among its parameters."""
    file, _, test = nodeid.partition("::")
    about = re.search(r"\[(.*?):", test) if Path(file).name in SHARED else None
    return f"{file} {about[1]}" if about else file


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long each variant took that was tested."""
    took: Counter[str] = Counter()
    for done in chain.from_iterable(terminalreporter.stats.values()):
        variant = dict(getattr(done, "user_properties", ())).get("variant")
        if variant:
            took[str(variant)] += done.duration
    if took:
        terminalreporter.section("seconds for each variant")
    for variant, seconds in took.items():
        terminalreporter.line(f"{seconds:7.1f}  {variant}")


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    """The one agent that every test may look at and none may change."""
    return make(tmp_path_factory.mktemp("full") / "my-agent", FULL)


@pytest.fixture(scope="session")
def distributed() -> Iterator[Agent]:
    """The same for many machines."""
    with outside() as folder:
        yield make(folder / "my-agent", DISTRIBUTED)


@pytest.fixture(autouse=True)
def _nobody_in_particular(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine of whoever runs the tests would bring in."""
    for name in (*terminal.NOBODY, "NO_COLOR", "FORCE_COLOR", "GIT_DIR", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    before = [(number, signal.getsignal(number)) for number in target.SIGNALS]

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", [source.NAME, *arguments])
        report._talk.cache_clear()
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            entry.main()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, *capfd.readouterr())

    yield run
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a small template with one release, and let the program come from it."""
    from .templates import FILES, commit

    commit(tmp_path / "template", FILES, "v0.1.0")
    monkeypatch.setattr(source, "_CHECKOUT", tmp_path / "template")
    return tmp_path / "template"


@pytest.fixture
def project(template: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a repository of the small template, and go there."""
    assert run("my-agent", "--yes", "--no-install", "--extra", "none").code == 0
    monkeypatch.chdir(template.with_name("my-agent"))
    return template.with_name("my-agent")


@dataclass(frozen=True)
class Distribution:
    """What `importlib.metadata` knows of an installation."""

    version: str
    origin: str | None

    def read_text(self, name: str) -> str | None:
        return self.origin if name == "direct_url.json" else None

    @property
    def metadata(self) -> PackageMetadata:
        return OURS


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Pretend to be another version, or installed from somewhere else (its direct_url.json)."""

    def pretend(version: str, origin: str | None = None) -> None:
        monkeypatch.setattr(metadata, "distribution", lambda _: Distribution(version, origin))

    return pretend


@pytest.fixture(scope="session")
def copier_template_paths() -> list[str]:
    """What pytest-copier makes a template repository of."""
    return ["copier.yml", "template"]


def program(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a program of its own."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=cwd,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def checked_in() -> list[str]:
    """Return the files of this repository, as a clone would have them."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in names.split("\0") if name and (ROOT / name).is_file()]


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, by its relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
