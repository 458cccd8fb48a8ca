"""The composition root: the one place where everything is plugged together. Your parts go here."""

from importlib.resources import files

from . import control_flow, parts
from .channels.routing import Routing
from .compaction import Summarize
from .context import Prompts
from .errors import Misconfigured
from .llms.output import JsonSteps
from .llms.scripted import scripted
from .ports import LLM, Agent
from .tools import NextStep
from .triggers import App
from .triggers.cli import command_line

LLMS = {**parts.LLMS}
"""`MODEL=<one of these>:<its own name for the model>`."""


def build(model: str) -> App:
    """Plug the agent together; with `model` "" it can do everything but think."""
    agent = Agent(
        store=parts.store(model),
        llm=_llm(model),
        channel=Routing({**parts.channels()}),
        steps=JsonSteps(NextStep),
        summaries=JsonSteps(Summarize),
        decide=control_flow.decide,
        prompts=_prompts(),
        prefetch=control_flow.prefetch,
        limits=control_flow.LIMITS,
    )
    return App(agent, parts.Runner(agent), [*parts.TRIGGERS])


def _llm(model: str) -> LLM:
    if not model:
        return scripted()
    provider, _, name = model.partition(":")
    if provider in parts.OTHERS - LLMS.keys():
        add = f"create-12-factor-agent add {provider}"
        raise Misconfigured(f"MODEL={model!r} is of a part that is not here; add it: {add}")
    if provider not in LLMS:
        raise Misconfigured(f"MODEL={model!r} is none of {', '.join(sorted(LLMS))}")
    return LLMS[provider](name)


def _prompts() -> Prompts:
    folder = files(__package__) / "prompts"
    names = ("system.md", "next_step.md", "compact.md")
    return Prompts(*((folder / name).read_text("utf-8") for name in names))


def main() -> None:
    """Run the command line; the script `agent` starts here."""
    command_line(build, *parts.MOUNTS)
