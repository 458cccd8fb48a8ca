"""Yours: a bare agent to start from. It reads notes, asks a person, and answers."""

from pathlib import Path

from ..engine import Agent
from .control_flow import decide
from .tools import NextStep

agent = Agent(
    steps=NextStep,
    decide=decide,
    prompts=Path(__file__).with_name("prompts"),
)
