"""Every command in the documents runs and prints what they say; every link leads somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from create_12_factor_agent import catalog, cli

from .conftest import ROOT, checked_in
from .templates import commit

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TESTS = "python -m pip install uv && uv run pytest"


def commands(document: Path) -> list[tuple[str, str]]:
    """Return the `sh` blocks, each with the `text` block that directly follows it."""
    found = re.findall(
        r"```sh\n(.*?)```(?:\n\n```text\n(.*?)```)?", document.read_text(), re.DOTALL
    )
    return [(command.strip(), output) for command, output in found]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of somebody who has Python with pip, and git that knows a name."""
    place = tmp_path_factory.mktemp("machine")
    subprocess.run(
        ["uv", "venv", "--quiet", "--seed", "--python", sys.executable, place / "python"],
        check=True,
    )
    tools = f"{place / 'python/bin'}:{os.environ['PATH']}"
    return {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | {
        "PATH": tools,
        "COLUMNS": "100",
        **{f"GIT_{role}_{what}": "ana@localhost"
           for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }  # fmt: skip


@pytest.fixture(scope="module")
def help_() -> str:
    """Return the help of every command."""
    return "".join(
        subprocess.run(
            [sys.executable, "-m", "create_12_factor_agent", *command, "--help"],
            capture_output=True, text=True, check=True,
        ).stdout
        for command in ([], *([name] for name in cli.OTHERS))
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_its_commands_run_and_print_what_it_says(
    document: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    for name in checked_in():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes((ROOT / name).read_bytes())
    commit(clone, {})
    for command, output in commands(document):
        if "pytest" in command:
            continue  # this is it
        ran = subprocess.run(
            ["bash", "-c", command], cwd=clone, env=machine, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout
        assert re.search(_pattern(output), ran.stdout, re.DOTALL | re.MULTILINE), ran.stdout


def _pattern(output: str) -> str:
    """Make a pattern of what is shown: a line `…` stands for lines, `…` in a line for its rest."""
    lines = [
        ".*?" if line == "…" else "^" + re.escape(line).replace("…", "[^\n]*") + "$"
        for line in output.splitlines()
    ]
    return r"\n?".join(lines)


def test_the_continuous_integration_runs_what_the_readme_says() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert [command for command, _ in commands(ROOT / "README.md")][-1] == TESTS
    assert script.splitlines()[-1] == TESTS
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_scripts_install_what_a_skipped_test_asks_for() -> None:
    """`.ci/run` what tests of ours need, and `.ci/nightly` what those of an agent do."""
    asks = re.compile(r"\bapt(?:-get)? install ([\w-]+)")
    for script, folder in (("run", "tests/"), ("nightly", "template/tests/")):
        files = [name for name in checked_in() if name.startswith(folder) and name.endswith(".py")]
        asked = {one for name in files for one in asks.findall((ROOT / name).read_text("utf-8"))}
        text = (ROOT / f".ci/{script}").read_text()
        (installed,) = re.findall(r"\n\.ci/programs (.*)", text)
        assert asked
        assert asked - {*installed.split()} == set(), script


def test_the_workflows_run_the_scripts_with_actions_of_fixed_commits() -> None:
    flows = {path.stem: path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")}
    scripts = {"check": ".ci/run", "nightly": ".ci/nightly", "release": ".ci/run"}
    assert flows.keys() == scripts.keys()
    for name, text in flows.items():
        assert f"      - run: {scripts[name]}\n" in text
        assert os.access(ROOT / scripts[name], os.X_OK)
        used = re.findall(r"uses: (.*)", text)
        assert [
            one for one in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", one)
        ] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_its_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if not link.startswith("https://"):
            assert (document.parent / link).exists(), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_flags_and_files_it_names_exist(document: Path, help_: str) -> None:
    text = document.read_text()
    others = {"--from", "--trust", "--theirs", "--ours", "--force", "--defaults"}
    others |= {
        "--random",
        "--seed",
        "--all",
        "--cached",
        "--reject",
        "--tags",
        "--unshallow",
        "--agent",
        "--for-thread",
    }
    others |= {"--rated", "--model", "--prompt", "--tree", "--heartbeat"}  # of an agent
    others |= {"--quiet", "--package", "--message", "--port"}  # of uv, git and uvicorn
    for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - others:
        assert flag in help_, flag
    for path in re.findall(r"`((?:src|template|tests|docs)/[\w./-]+)`", text):
        places = (
            ROOT / path,
            ROOT / "template" / path,
            ROOT / f"template/{path}.jinja",
            ROOT / "tests/hosts/shop" / path,
        )
        is_there = any(place.exists() for place in places) or f"New file `{path}`" in text
        assert is_there or "redis" in path, path


def test_every_document_is_found_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[^)]+)\)", (ROOT / "README.md").read_text()))
    assert linked == {f"docs/{path.name}" for path in DOCUMENTS[1:]}


def test_every_part_is_described() -> None:
    rows = (ROOT / "docs/parts.md").read_text()
    for question in catalog.questions():
        for choice in question.choices:
            assert f"| `--{question.name}` | `{choice}` |" in rows
