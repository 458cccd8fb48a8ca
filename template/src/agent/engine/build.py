"""The composition root: agents, models, stores, channels and triggers are plugged together here."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from math import isfinite
from pathlib import Path

from . import parts
from .context.window import Prompts
from .llms.check import check_union
from .llms.output import JsonSteps
from .log.errors import Misconfigured
from .loop.agent import Agent
from .loop.ports import LLM, BoundAgent, Channel, Directory, Ports
from .loop.steps import Summarize
from .loop.store import Store
from .models import Models
from .options import ModelOptions
from .people.access import list_readers
from .people.identity import PeopleFile
from .people.names import check_agents, check_names
from .people.routing import Routing
from .prices import Prices
from .redaction import Redact, guard_redact, redact_store
from .runners.app import App, ModelOf, Trigger

log = logging.getLogger(__name__)

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
    redact: Redact | None = None
    """`redact(text)`: returns the text without what must not be stored, such as card numbers. It is
    applied to messages, tool results and errors before they are stored or sent to a model."""
    directory: Directory = field(default_factory=PeopleFile)
    """Who the people are: those of `people.toml`, or of your product. It is asked often, and from
    the event loop, so it may not wait for anything."""
    store: Callable[[], Store] | None = None
    """Makes the store; None for the one that was chosen. A runner may need a store of its own."""

    def build(self, model_of: ModelOf) -> App:
        """Plug everything together; an agent whose model is "" can do everything but think."""
        if not self.agents:
            raise Misconfigured("app.py names no agent: agents={...} needs at least one")
        names = {name: model_of(name) for name in self.agents}
        models = Models(self.llms, Prices.from_env(), ModelOptions.from_env())
        agents = {name: self._bind(name, names[name], models) for name in self.agents}
        notifier = Routing({**parts.channels(), **self.channels})
        for name, agent in self.agents.items():
            check_names(self.directory, name, agent.decide, agent.responsible)
            check_agents(self.agents, agent.decide)
        redact = guard_redact(self.redact) if self.redact else str
        ports = Ports(parts.store(names, self.store), notifier, agents, self.directory, redact)
        ports.store.list_readers = partial(list_readers, ports)
        for channel in notifier.channels.values():
            getattr(channel, "connect", lambda _: None)(ports)
        if self.redact:
            redact_store(ports.store, redact)
        return App(ports, parts.runner(ports), [*parts.TRIGGERS, *self.triggers], models.prices)

    def _bind(self, name: str, model: str, models: Models) -> BoundAgent:
        agent = self.agents[name]
        options = agent.options.check(f"Agent {name!r}")
        bound = models.bind(model, options)
        if model and not bound["price"] and isfinite(agent.limits.cost):
            log.warning("The agent %r has a limit of cost, but %r has no price", name, model)
        choose = partial(models.choose, agent.model, model, options) if agent.model else None
        steps = JsonSteps(agent.steps)
        for unchecked in check_union(steps):
            log.log(logging.WARNING if model else logging.DEBUG, "Agent %r: %s", name, unchecked)
        return BoundAgent(
            name,
            **bound,
            steps=steps,
            summaries=JsonSteps(Summarize),
            bind_shape=cache(JsonSteps),
            decide=agent.decide,
            prompts=_prompts(agent.prompts),
            prefetch=agent.prefetch,
            variables=agent.variables,
            render=agent.render,
            limits=agent.limits,
            responsible=agent.responsible,
            readers=agent.readers,
            may=agent.may,
            choose=choose if model else None,
        )


def _prompts(prompts: Path | str) -> Prompts:
    """Read an agent's prompts; those that its owner left out are the engine's."""
    if isinstance(prompts, str):
        return Prompts(prompts, NEXT_STEP, COMPACT.read_text("utf-8"))
    if not (prompts / "system.md").is_file():
        raise Misconfigured(f"{str(prompts / 'system.md')!r} is missing: it is the agent's prompt")
    own = {file.name: file.read_text("utf-8") for file in prompts.glob("*.md")}
    compact = own.get("compact.md") or COMPACT.read_text("utf-8")
    return Prompts(own["system.md"], own.get("next_step.md", NEXT_STEP), compact, own)
