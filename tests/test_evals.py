"""The evals that a rendered agent comes with, from the first day to the first model."""

import json
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT, Agent

pytestmark = pytest.mark.slow

CASES = len((ROOT / "template/evals/deploy/cases.jsonl").read_text("utf-8").splitlines())


@pytest.fixture(scope="module")
def tried(full: Agent, tmp_path_factory: pytest.TempPathFactory) -> Agent:
    return full.copy(tmp_path_factory.mktemp("evals") / "my-agent")


def ends(agent: Agent, **environment: str) -> str:
    """Run the evals; return all they printed, red or green."""
    ran = subprocess.run(
        [agent.path / ".venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "evals"],
        cwd=agent.path, env=agent.environment | environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
    )  # fmt: skip
    return ran.stdout


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_they_say_that_no_model_was_recorded(full: Agent) -> None:
    lines = (full.path / "evals/deploy/recordings.jsonl").read_text("utf-8").splitlines()
    about, *replies = map(json.loads, lines)
    assert "said by no model" in about["about"]
    assert {line["reply"]["model"] for line in replies} == {"scripted"}
    assert {line["model"] for line in replies} == {"scripted"}


def test_they_are_green_then_skipped_then_red(tried: Agent) -> None:
    """As they come, with an edited prompt, and once a model was recorded."""
    assert f"{CASES} passed" in ends(tried)
    edited(tried.path / "src/agent/deploy/prompts/system.md", "careful", "most careful")
    stale = ends(tried)
    assert f"{CASES} skipped" in stale
    assert "Re-record: uv run agent eval record" in stale
    edited(tried.path / "evals/deploy/recordings.jsonl", '"model": "scripted"', '"model": "gpt"')
    assert f"{CASES} failed" in (red := ends(tried))
    assert red.count("Re-record: uv run agent eval record") == CASES
    assert "Traceback" not in red


@pytest.mark.parametrize(
    ("environment", "printed"),
    [
        ({}, "1 passed"),
        ({"EVAL_SAMPLES": "3", "EVAL_PASS_RATE": "0.5"}, "1 passed"),
        ({"MODEL_SAYS": "production"}, "0% as expected, 100% should be\nenvironment is not"),
        ({"MODEL_SAYS": "production", "EVAL_PASS_RATE": "0"}, "1 passed"),
        ({"EVAL_SAMPLES": "0"}, "EVAL_SAMPLES='0' is no number from 1 to 1000"),
        ({"EVAL_PASS_RATE": "80%"}, "EVAL_PASS_RATE='80%' is no number from 0 to 1"),
        ({"EVAL_MODEL": "nobody:x"}, "MODEL='nobody:x' is none of"),
    ],
)
def test_a_model_is_asked_where_one_is_named(
    environment: dict[str, str], printed: str, full: Agent, tmp_path: Path
) -> None:
    """Here a script, that knows one case."""
    where = environment.get("MODEL_SAYS", "staging")
    says = {"intent": "deploy_backend", "tag": "v1.2.3", "environment": where}
    script = tmp_path / "script.jsonl"
    script.write_text(json.dumps({"step": says}), "utf-8")
    live = {"PYTEST_ADDOPTS": "-k 'staging and first'", "EVAL_MODEL": f"scripted:{script}"}
    assert printed in ends(full, **live | environment)
