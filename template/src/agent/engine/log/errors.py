"""Everything raised on purpose.

AgentError
├── ThreadNotFound   no such thread
│   └── Forgotten    the thread was deleted
├── Conflict         the thread grew meanwhile: look again, decide again
├── Refused          this answer may not close this wait
├── InvalidStep      what the model said is none of the steps it may take
├── Unavailable      a model, a channel or the store is not reachable now
│   ├── ModelUnavailable  the model does not answer now, or asks to wait
│   ├── Undelivered  a channel did not notify people
│   ├── AgentGone    the thread's agent is not in `app.py` now
│   └── NobodyKnown  a person or team that somebody asks for is nowhere known
├── StoreFailed      the database rejects a statement, or its file is damaged
├── RedactionFailed  the owner's `redact` raised, so that nothing may be stored
├── Misconfigured    a setting is missing or wrong
│   └── ModelRefused the model rejects the key, the quota, its name or the request
│       ├── PromptTooLong  it rejects a prompt of this length
│       └── NotRecorded    nothing is recorded for this prompt
└── ToolError        raised by a tool that is sure that nothing happened
"""


class AgentError(Exception):
    """The root: its text is meant for people and says what to do now."""


class ThreadNotFound(AgentError):
    """No thread has this id."""


class Forgotten(ThreadNotFound):
    """The thread was deleted. Messages that were sent to it are not accepted again."""


class Conflict(AgentError):
    """Somebody else appended first, perhaps this very key; nothing was written."""


class Refused(AgentError):
    """The wait stays as it is; the text is the reason."""


class InvalidStep(AgentError):
    """The text tells the model what was wrong."""


class Unavailable(AgentError):
    """Try again later; the thread lost nothing and is charged no error."""

    def __init__(self, problem: str, retry_after_s: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s
        """What the other side asked for; None where it said nothing."""


class ModelUnavailable(Unavailable):
    """The thread goes on when the model answers again."""


class Undelivered(Unavailable):
    """The thread goes on; the notification is retried."""


class AgentGone(Unavailable):
    """The thread does not run, and goes on when its agent is back."""


class NobodyKnown(Unavailable):
    """The thread does not run, and goes on when the name is in people.toml."""


class StoreFailed(AgentError):
    """Retrying does not help: the fault is in this code or in the database, not in a connection."""


class RedactionFailed(AgentError):
    """Nothing was stored."""


class Misconfigured(AgentError):
    """The text names the setting."""


class ModelRefused(Misconfigured):
    """Retrying does not help, so people are asked."""

    def __init__(self, problem: str, cause: str = "") -> None:
        super().__init__(problem)
        self.cause = cause or problem
        """The same for every thread that is stopped by the same thing."""


class PromptTooLong(ModelRefused):
    """The prompt has to be shortened."""


class NotRecorded(ModelRefused):
    """A recording is replayed, and has no reply to this prompt."""


class ToolError(AgentError):
    """Raise it in a tool only where nothing was changed; any other exception means "unknown"."""
