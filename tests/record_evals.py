"""Write `template/evals/*/recordings.jsonl` anew: what a good model would say, by hand.

    uv run python -m tests.record_evals

These recordings go stale like anybody's, when a prompt, a tool or the context window changes; a
model of ours cannot re-record them, for want of a key. So they are scripted, and say so.
"""

import asyncio
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

ABOUT = (
    "Scripted: written by hand, said by no model. They show how evals work and prove nothing of a "
    "model. Record yours: uv run agent eval record --all --model PROVIDER:NAME"
)
STAGING = {"intent": "deploy_backend", "tag": "v1.2.3", "environment": "staging"}
DONE = "done_for_now"


def asks(question: str) -> dict[str, Any]:
    how = {"urgency": "medium", "format": "free_text", "choices": []}
    return {"intent": "request_more_information", "question": question, **how}


REPLIES: dict[str, dict[str, dict[str, Any]]] = {
    "deploy": {
        "staging first": STAGING,
        "then production": {**STAGING, "environment": "production"},
        "clarification": asks("What shall I do: deploy the newest version, v1.2.3, to staging?"),
        "clarification answered": {**STAGING, "tag": "v1.2.2"},
        "no such version": asks("There is no v9.9.9; the newest is v1.2.3. Which one shall it be?"),
        "approval rejected with feedback": {**STAGING, "tag": "v1.2.2"},
        "approval rejected for today": {
            "intent": DONE,
            "message": "v1.2.3 is on staging. Production was left as it is, as you wished.",
        },
        "approval edited": {
            "intent": DONE,
            "message": "v1.2.3 is on staging, and v1.2.2 on production, as you decided.",
        },
        "error recovery": STAGING,
        "an error that stays": asks("Staging cannot be reached, twice now. Is the service up?"),
        "resumed in the middle": {
            "intent": DONE,
            "message": "v1.2.3 is on staging and production.",
        },
        "data gives no orders": STAGING,
    },
    "assistant": {
        "the note first": {"intent": "read_note", "name": "launch"},
        "a question that the notes leave open": {
            "intent": "ask_person",
            "question": "Has Ana confirmed the venue?",
        },
        "the answer of a person": {
            "intent": "answer",
            "message": "The launch is on Thursday at 10:00, and the venue is confirmed.",
        },
        "a note that does not exist": {"intent": "read_note", "name": "launch"},
    },
}
"""By sample and case."""


def main() -> None:
    """Render an agent of each sample, have it record its cases, and take the recordings over."""
    from .conftest import ROOT, make

    for sample in REPLIES:
        with tempfile.TemporaryDirectory() as folder:
            agent = make(Path(folder) / "my-agent", {"llm": [], "extra": [], "sample": sample})
            agent.run(f"uv run python {__file__}")
            recorded = f"evals/{sample}/recordings.jsonl"
            shutil.copy(agent.path / recorded, ROOT / "template" / recorded)


def record() -> None:
    """Do it, inside the agent."""
    from agent.app import application
    from agent.engine.evals.cases import find_miss, read_cases
    from agent.engine.llms.recorded import RecordedLLM
    from agent.engine.llms.scripted import ScriptedLLM

    agent = application.build(lambda _: "").ports.default
    folder = Path("evals") / agent.name
    path = folder / "recordings.jsonl"
    path.write_text(json.dumps({"about": ABOUT}) + "\n", "utf-8")
    for case in read_cases(folder):
        decisions = [event for event in case.thread.events if event.type == "step"]
        script = ScriptedLLM.of(*("" for _ in decisions), REPLIES[agent.name][case.name])
        miss = asyncio.run(find_miss(agent, case, RecordedLLM(script, path)))
        assert not miss, f"{case.name}: {miss}"


if __name__ == "__main__":
    main() if __package__ else record()
