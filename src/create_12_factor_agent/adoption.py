"""Carry out an adoption: plan it, publish it, let the project's tool add what it needs, report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer

from . import adopt, finish, outcome, report, terminal
from .adopt import Plan
from .catalog import Answer, unasked
from .errors import LEFT, STOPPED, UserError
from .host.needs import unnamed

_ADD = {
    "uv": (("add",), ("add", "--dev")),
    "poetry": (("add",), ("add", "--group", "dev")),
}
"""How a tool adds requirements, and those of the tests."""


@dataclass(frozen=True)
class Adoption:
    """How an adoption is to be carried out."""

    apply: bool
    yes: bool
    dry_run: bool
    as_json: bool


def carry_out(folder: Path, given: Mapping[str, Answer], wanted: Adoption) -> None:
    """Bring an agent into the project in `folder`.

    Exits with LEFT where requirements were to be added, and some were not.

    Raises: UserError, and the project is as it was.
    """
    ask = not (wanted.yes or wanted.as_json) and terminal.somebody_is_there()
    try:
        plan = adopt.plan(folder, given, ask=ask)
        if not ask:
            apart = {*given, *unasked()}
            taken = {name: one for name, one in plan.answers.items() if name not in apart}
            report.defaults({name: one for name, one in taken.items() if one})
        if not wanted.dry_run:
            adopt.carry_out(plan)
    except KeyboardInterrupt:
        raise UserError("Stopped.", "Nothing was changed.", code=STOPPED) from None
    notes = [plan.note, *([] if wanted.dry_run else [finish.ignored(plan.host.path, plan.files)])]
    if wanted.apply and not wanted.dry_run:
        notes += _apply(plan)
    left = plan.lines()
    shown = [note for note in notes if note]
    outcome.adopted(plan, left, shown, dry_run=wanted.dry_run, as_json=wanted.as_json)
    if wanted.apply and not wanted.dry_run and plan.lacks_requirements():
        raise typer.Exit(LEFT)


def _apply(plan: Plan) -> list[str | None]:
    """Add what the project lacks; return what did not work."""
    host, wanted = plan.host, unnamed(plan.host, plan.alone)
    if not any(wanted):
        return []
    if host.tool not in _ADD:
        return ["pip adds nothing to a file: add the lines below, then install the project."]
    try:
        with report.busy(f"Adding what it needs ({host.tool} add)"):
            return [
                finish.add(host.path, host.tool, *how, *requirements)
                for how, requirements in zip(_ADD[host.tool], wanted, strict=True)
                if requirements
            ]
    except KeyboardInterrupt:
        left = "The agent is complete. What the project still needs: create-12-factor-agent doctor"
        problem = "Stopped after the agent was brought in."
        raise UserError(problem, left, code=STOPPED) from None
