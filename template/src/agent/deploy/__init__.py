"""Yours: the deploy agent of the 12-factor guide. It lists versions, deploys one, asks people."""

from pathlib import Path

from ..engine import Agent
from .context import render
from .control_flow import LIMITS, decide, prefetch
from .tools import NextStep

agent = Agent(
    steps=NextStep,
    decide=decide,
    prompts=Path(__file__).with_name("prompts"),
    prefetch=prefetch,
    render=render,
    limits=LIMITS,
)
