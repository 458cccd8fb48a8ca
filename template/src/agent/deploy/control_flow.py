"""Factor 8: own your control flow. Factor 13: pre-fetch all the context you might need.

Yours: the switch from what the model said to what happens, what is fetched beforehand, and how
much one request may take. Match on arguments where the policy depends on them; the first case
that fits wins. A rule over several calls reads `thread.results(Shape)`.
"""

from typing import Any

from ..engine import Action, Ask, Finish, Limits, Run, Thread
from .tools import (
    DeployBackend,
    DoneForNow,
    ListGitTags,
    NextStep,
    RequestMoreInformation,
    deploy_backend,
    list_git_tags,
    read_tags,
)

LIMITS = Limits(steps=30, errors=3, tokens=500_000, context=100_000)
"""Beyond the first three a person is asked; beyond the last, older events are summarized."""


def decide(step: NextStep, thread: Thread) -> Action:
    """Say what a step means. Pure: it may be asked again, with the thread as it was then."""
    match step:
        case DoneForNow():
            return Finish(step.message)
        case RequestMoreInformation():
            return Ask(
                step.question,
                urgency=step.urgency,
                format=step.format,
                choices=tuple(step.choices),
            )
        case ListGitTags():
            return Run(list_git_tags, effect="read")
        case DeployBackend(environment="staging"):
            return Run(deploy_backend, effect="idempotent")
        case DeployBackend():
            return Run(
                deploy_backend,
                effect="idempotent",
                approvers=("owner",),
                title=f"Deploy {step.tag} to production",
            )


def prefetch(thread: Thread) -> dict[str, Any]:
    """Fetch what the model would ask for anyway, before its first decision.

    Each name becomes a block of the context window; return nothing to fetch nothing.
    """
    return {"git_tags": read_tags()}
