"""A real llama.cpp server decides, with a tiny model of random weights, in the whole loop.

`LLAMA_REPLIES=5000 uv run pytest tests/test_llama.py` asks it more often.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import ROOT, Agent

pytestmark = pytest.mark.slow

REPLIES = int(os.environ.get("LLAMA_REPLIES", "300"))
LLAMA = ("uv", "run", "--quiet", "--isolated", "--frozen", "--only-group", "llama", "python")
UNION_REPLIES = 500
SCRIPTS = ROOT / "tests/llama"
ONLY_PYDANTIC_KNOWS = re.compile(
    r"(at least 1 character|(greater|less) than or equal to \d+|a finite number)(; |$)"
)
"""Rules that no strict mode takes, so that the grammar does not know them."""

NO_GRAMMAR_KNOWS = re.compile(r"it has a key twice|read again .*\d[eE]\+?\d{3}")
"""Errors that remain where any key or any number is allowed: a number may exceed every float."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    imported = subprocess.run(
        [*LLAMA, "-c", "import gguf, xllamacpp"],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if imported.returncode:
        pytest.skip(f"no llama.cpp on this machine: {' '.join(imported.stderr.split())[:300]}")
    folder = tmp_path_factory.mktemp("llama")
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [*LLAMA, SCRIPTS / "serve.py", folder],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        ) as server,
    ):  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


@pytest.fixture(scope="module")
def played(address: str, full: Agent) -> dict[str, Any]:
    return run_script("play.py", REPLIES, address, full)


def run_script(script: str, replies: int, address: str, agent: Agent) -> dict[str, Any]:
    ran = subprocess.run(
        [agent.path / ".venv/bin/python", SCRIPTS / script, str(replies)],
        cwd=agent.path,
        env=agent.environment | {"PYTHONPATH": ".", "OPENAI_BASE_URL": f"{address}/v1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")  # nor did it warn of going on without a schema
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def test_every_reply_is_a_step_or_breaks_a_rule_that_only_pydantic_knows(
    played: dict[str, Any],
) -> None:
    cut = [error for error in played["errors"] if "the reply was truncated" in error]
    wrong = [error for error in played["errors"] if not ONLY_PYDANTIC_KNOWS.search(error)]
    assert wrong == cut
    assert played["replies"] == len(played["steps"]) + len(played["errors"]) >= REPLIES
    assert len(played["steps"]) > REPLIES / 2
    assert {"ask_person", "look", "put", "search", "serve"} <= set(played["steps"])


def test_most_of_a_prompt_is_read_from_the_cache(played: dict[str, Any]) -> None:
    assert played["hits"] > 0.9 * played["replies"]
    assert played["cached"] > played["input"] / 2


@pytest.mark.nightly
def test_each_type_that_is_accepted_at_start_is_enforced_as_the_table_says(
    address: str, full: Agent
) -> None:
    rows = run_script("unions.py", UNION_REPLIES, address, full)
    assert len(rows) >= 20
    for row, found in rows.items():
        if found["verdict"] == "works":
            assert [each for each in found["errors"] if not NO_GRAMMAR_KNOWS.search(each)] == [], (
                row
            )
            assert found["steps"] > 0, row
