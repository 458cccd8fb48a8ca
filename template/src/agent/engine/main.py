"""The entry point: the script `agent` starts here.

It alone imports `app`, and only where a command needs it: `agent --help` costs the same whatever
an owner imports there.
"""

from . import parts
from .cli import run_command_line
from .runners.app import App, ModelOf


def build(model_of: ModelOf) -> App:
    """Plug the agents of `app.py` together."""
    from ..app import application

    return application.build(model_of)


def main() -> None:
    """Run the command line."""
    run_command_line(build, *parts.MOUNTS)
