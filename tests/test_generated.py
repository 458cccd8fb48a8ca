"""What people get: its code is the code of the template, and it installs little."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from create_12_factor_agent import answers, catalog, generate

from .conftest import ROOT, Agent, tree
from .templates import commit

pytestmark = pytest.mark.slow

OTHERS = {".md", ".html", ".css", ".js", ".svg"}


def test_its_python_is_checked_in_place_too(distributed: Agent) -> None:
    """By the rules of the rendered agent, over the very files that are copied into it."""
    template = ROOT / "template"
    rules = f"--config {distributed.path / 'pyproject.toml'}"
    distributed.run(f"uv run ruff check {rules} --no-cache {template}")
    distributed.run(f"uv run ruff format --check {rules} --no-cache {template}")


def test_the_rendered_python_is_the_template_s(distributed: Agent) -> None:
    """But for the few files that list what this agent has."""
    for folder in ("src", "tests"):
        template = ROOT / "template" / folder
        rendered = tree(distributed.path / folder)
        python = {name for name in rendered if name.endswith(".py")}
        lists = {name for name in python if (template / f"{name}.jinja").is_file()}
        assert lists <= {"agent/app.py", "agent/engine/parts.py"}
        for name in python - lists:
            assert rendered[name] == (template / name).read_bytes(), name


def test_it_installs_little(full: Agent, tmp_path: Path) -> None:
    agent = Agent(tmp_path / "my-agent", full.environment)
    generate.new(agent.path, answers.check({}), ask=False)
    agent.run("uv sync --quiet --no-dev")
    site = next((agent.path / ".venv/lib").glob("python*/site-packages"))
    packages = list(site.glob("*.dist-info"))
    size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
    assert len(packages) - 1 <= 35  # without itself
    assert size <= 60_000_000


def test_its_wheel_has_what_is_no_python(full: Agent, tmp_path: Path) -> None:
    """The prompts, and the pages with all that they refer to."""
    full.run(f"uv build --quiet --wheel --out-dir {tmp_path}")
    (wheel,) = (zipfile.ZipFile(path) for path in tmp_path.glob("*.whl"))
    files = (ROOT / "template/src").rglob("*.*")
    ours = [one for one in files if one.suffix in OTHERS and "assistant" not in one.parts]
    assert len({path.suffix for path in ours}) == len(OTHERS)
    for path in ours:
        assert path.relative_to(ROOT / "template/src").as_posix() in wheel.namelist()


def test_a_model_that_was_not_chosen_can_be_added(full: Agent, tmp_path: Path) -> None:
    made = generate.new(tmp_path / "my-agent", answers.check({"llm": []}), ask=False)
    agent = Agent(made.path, full.environment)
    agent.run("uv sync --quiet --no-dev")
    models = next(one for one in catalog.questions() if one.name == "llm").choices
    for name in models:
        asked = Agent(agent.path, agent.environment | {"MODEL": f"{name}:any"})
        with pytest.raises(AssertionError, match=f"create-12-factor-agent add {name}"):
            asked.run("uv run --no-dev agent run hello")


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_its_own_check_finds_a_merge_that_was_left_undone(tmp_path: Path) -> None:
    made = generate.new(tmp_path / "my-agent", answers.check({}), ask=False)
    check = ["make", "--directory", str(made.path), "--dry-run", "check"]
    lines = subprocess.run(check, capture_output=True, text=True, check=True).stdout.splitlines()
    line = next(line for line in lines if "git grep" in line)
    commit(made.path, {})
    assert subprocess.run(["sh", "-c", line], cwd=made.path, check=False).returncode == 0
    commit(made.path, {"people.toml": "<<<<<<< before updating\n=======\n>>>>>>> after\n"})
    assert subprocess.run(["sh", "-c", line], cwd=made.path, check=False).returncode == 1
