"""The composition root: agents, models, stores, channels and triggers are plugged together here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import parts
from .context.window import Prompts
from .llms.output import JsonSteps
from .llms.scripted import ScriptedLLM
from .log.errors import Misconfigured
from .loop.agent import Agent
from .loop.compaction import Summarize
from .loop.ports import LLM, Channel, Ports
from .people.routing import Routing
from .runners.app import App, Trigger

COMPACT = Path(__file__).with_name("loop") / "compact.md"
NEXT_STEP = 'What is the next step? Answer with one JSON object: {"next_step": {"intent": …}}\n'


@dataclass(frozen=True)
class Application:
    """The agents of this repository, and the adapters that are its owner's."""

    agents: Mapping[str, Agent]
    """By name; the first is the default."""
    llms: Mapping[str, Callable[[str], LLM]] = field(default_factory=dict)
    """`MODEL=<one of these>:<its own name for the model>`."""
    channels: Mapping[str, Channel] = field(default_factory=dict)
    triggers: Sequence[Trigger] = ()

    def build(self, model: str) -> App:
        """Plug everything together; with `model` "" it can do everything but think."""
        name, agent = next(iter(self.agents.items()))
        ports = Ports(
            name=name,
            store=parts.store(model),
            llm=self._llm(model),
            channel=Routing({**parts.channels(), **self.channels}),
            steps=JsonSteps(agent.steps),
            summaries=JsonSteps(Summarize),
            decide=agent.decide,
            prompts=_prompts(agent.prompts),
            prefetch=agent.prefetch,
            limits=agent.limits,
        )
        return App(ports, parts.Runner(ports), [*parts.TRIGGERS, *self.triggers])

    def _llm(self, model: str) -> LLM:
        if not model:
            return ScriptedLLM.of()
        provider, _, name = model.partition(":")
        llms = {**parts.LLMS, **self.llms}
        if provider in parts.OTHERS - llms.keys():
            add = f"create-12-factor-agent add {provider}"
            raise Misconfigured(f"MODEL={model!r} is of a part that is not here; add it: {add}")
        if provider not in llms:
            raise Misconfigured(f"MODEL={model!r} is none of {', '.join(sorted(llms))}")
        return llms[provider](name)


def _prompts(folder: Path) -> Prompts:
    return Prompts(
        (folder / "system.md").read_text("utf-8"),
        _text(folder / "next_step.md") or NEXT_STEP,
        _text(folder / "compact.md") or COMPACT.read_text("utf-8"),
    )


def _text(file: Path) -> str:
    return file.read_text("utf-8") if file.exists() else ""
