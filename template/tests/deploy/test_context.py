"""How the sample reads in the context window. Yours, with the sample.

The two golden files show one run: `window.txt` as the model of this agent reads it, and
`engine.txt` as it would without `context.py`. Write them anew with `UPDATE_GOLDEN=1 uv run pytest`.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.deploy.context import render
from agent.engine import Event, Thread
from agent.engine.context.window import Prompts, render_prompt

HERE = Path(__file__).parent
DEPLOY = {"intent": "deploy_backend", "tag": "v2", "environment": "staging"}
TAGS = [
    {"name": "v2", "commit": "abc1234", "date": "2026-03-15T10:00:00Z"},
    {"name": "v1", "commit": "def4567", "date": "2026-03-14T15:30:00Z"},
]
RUN = Thread(
    "t",
    (
        Event("message", {"text": "deploy the latest", "source": "user"}, "ana", seq=1),
        Event("message", {"facts": {"git_tags": TAGS}, "source": "prefetch"}, "system", seq=2),
        Event("step", {"call": DEPLOY}, seq=3),
        Event("tool_finished", {"step": 3, "output": {"deployed": "v2"}}, seq=4),
    ),
)


@pytest.mark.parametrize(("file", "rendered_by"), [("window.txt", render), ("engine.txt", None)])
def test_the_model_reads_the_run_as_the_golden_file_has_it(
    file: str, rendered_by: Callable[[Event, Thread], str | None] | None
) -> None:
    window = "\n\n".join(render_prompt(RUN, Prompts("", ""), rendered_by).blocks) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        (HERE / file).write_text(window, "utf-8")
    assert window == (HERE / file).read_text("utf-8")
