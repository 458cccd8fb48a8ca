"""The samples: one of them is there, it works, and it goes by deleting its folders."""

import re
import shutil
from pathlib import Path

import pytest

from create_12_factor_agent import catalog, engine, parts
from create_12_factor_agent.errors import UsageError

from .conftest import ROOT, Agent, make

SAMPLES = tuple(next(one for one in catalog.questions() if one.name == "sample").choices)
FOLDERS = ("src/agent", "sample", "evals", "tests")
CHECKS = ("ruff format --check", "ruff check", "mypy", "lint-imports")


@pytest.fixture(scope="module", params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def rendered(sample: str, newest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(sample) / "my-agent"
    engine.render(newest, path, {"project_name": "my-agent", "sample": sample})
    return path


def test_one_sample_is_there_and_nothing_of_the_others(rendered: Path, sample: str) -> None:
    others = {*SAMPLES} - {sample}
    for folder in FOLDERS:
        there = {path.name for path in (rendered / folder).iterdir() if path.is_dir()}
        assert there & {*SAMPLES} == {sample}, folder
    for file in ("README.md", "AGENTS.md", "pyproject.toml", "src/agent/app.py"):
        text = (rendered / file).read_text("utf-8")
        assert not re.search(rf"[/\"]({'|'.join(others)})\b", text), file


@pytest.mark.parametrize(
    "file", ["README.md", "AGENTS.md", ".gitignore", ".dockerignore", "Dockerfile", "Makefile"]
)
def test_nothing_else_names_its_folders(rendered: Path, sample: str, file: str) -> None:
    text = (rendered / file).read_text("utf-8")
    assert not re.search(rf"\b({'|'.join(FOLDERS)})/{sample}\b", text)


def test_no_update_touches_a_sample() -> None:
    seeds = catalog.seeds((ROOT / "copier.yml").read_text("utf-8"))
    for folder in ("src/agent", "evals", "tests"):
        assert {f"{folder}/{sample}" for sample in SAMPLES} <= {*seeds}
    assert "sample" in seeds


def test_a_sample_is_not_a_part() -> None:
    known = catalog.questions()
    assert not {*SAMPLES} & {part.name for part in parts.listing({}, known)}
    with pytest.raises(UsageError, match="There is no part 'assistant'"):
        parts.added({"sample": "deploy"}, ["assistant"], known)


# -- the bare one; the others are tried everywhere else ---------------------------------------


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    path = tmp_path_factory.mktemp("assistant") / "my-agent"
    return make(path, {"llm": [], "extra": [], "sample": "assistant"})


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_its_own_checks_pass(assistant: Agent, check: str) -> None:
    assistant.run(f"uv run {check}")


@pytest.mark.slow
def test_its_tests_and_evals_pass_and_none_is_skipped(assistant: Agent) -> None:
    ran = assistant.run("uv run pytest -q -p no:cacheprovider tests/assistant evals")
    assert " passed" in ran
    assert "skipped" not in ran


@pytest.mark.slow
def test_its_demo_shows_what_its_readme_shows(assistant: Agent) -> None:
    readme = (assistant.path / "README.md").read_text("utf-8")
    question, log, *_ = re.findall(r"```text\n(.*?)```", readme, re.DOTALL)
    shown = assistant.run("uv run agent demo --new")
    assert question in shown
    assert log in shown


# -- without a sample: tests/test_own_agent.py has the rest ------------------------------------


@pytest.mark.slow
def test_without_a_script_there_is_no_demo_and_without_cases_no_skipped_test(
    full: Agent, tmp_path: Path
) -> None:
    mine = full.copy(tmp_path / "my-agent")
    for folder in ("sample", "evals"):
        shutil.rmtree(mine.path / folder / "deploy")
    ran = mine.run(
        "uv run pytest -q tests/engine/cli/test_demo.py tests/deploy/test_tools.py evals"
    )
    assert " passed" in ran
    assert "skipped" not in ran
    assert "demo" not in mine.run("uv run agent --help")
    with pytest.raises(AssertionError, match="there is no demo here"):
        mine.run("uv run agent demo")
