"""`agent doctor`: it names what keeps the agent from starting, and asks no model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.engine.cli import build_commands
from agent.engine.log.errors import Misconfigured, Unavailable
from agent.engine.runners.app import App, ModelOf

from .conftest import Desk


def test_all_is_well(several: Desk) -> None:
    ran = several.agent("doctor")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "ok   people.toml",
        "ok   app.py",
        "ok   store",
        "ok   triggers",
        "ok   model of test",
        "ok   model of second",
    ]
    assert several.llm.prompts == []


def test_each_problem_has_its_line(several: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(**_: Any) -> None:
        raise Unavailable("the database\nis away")

    def trigger(_: App) -> None:
        raise Misconfigured("SLACK_BOT_TOKEN is set, SLACK_SIGNING_SECRET is not")

    def build(model_of: ModelOf) -> App:
        if model_of("test"):
            raise Misconfigured("OPENAI_API_KEY is not set")
        return replace(several.build(model_of), triggers=[trigger])

    monkeypatch.setattr(several.store, "threads", away)
    monkeypatch.delenv("MODEL")
    monkeypatch.setenv("MODEL_TEST", "openai:x")
    ran = CliRunner().invoke(build_commands(build), ["doctor"], catch_exceptions=False)
    assert ran.exit_code == 1
    assert ran.stdout.splitlines() == [
        "ok   people.toml",
        "ok   app.py",
        "BAD  store: the database is away",
        "BAD  triggers: SLACK_BOT_TOKEN is set, SLACK_SIGNING_SECRET is not",
        "BAD  model of test: OPENAI_API_KEY is not set",
        "BAD  model of second: MODEL is not set. Set it in .env, as openai:<name>, or use --model.",
    ]


def test_a_name_that_nobody_has_is_found(desk: Desk) -> None:
    def build(_: ModelOf) -> App:
        raise Misconfigured("control_flow.py:12: 'leed' is not a person or team in people.toml")

    Path("people.toml").write_text("[ana", "utf-8")
    ran = CliRunner().invoke(build_commands(build), ["doctor"], catch_exceptions=False)
    assert ran.exit_code == 1
    first, second = ran.stdout.splitlines()
    assert first.startswith("BAD  people.toml: people.toml is not valid TOML")
    assert (
        second == "BAD  app.py: control_flow.py:12: 'leed' is not a person or team in people.toml"
    )
