"""Poetry takes the packages that it lists, or the one that is called like the project."""

from .facts import PYPROJECT, Host
from .lines import Lines, setting
from .packages import by_default, named

TABLE = ("tool", "poetry")


def including(host: Host) -> Lines | None:
    """Return what makes it take in the agent; None where it does."""
    settings = host.table(*TABLE)
    if settings.get("package-mode") is False:
        words = "Poetry installs no package of this project: set PYTHONPATH=src to import `agent`."
        return Lines(PYPROJECT, "[tool.poetry]", (), words)
    packages = settings.get("packages") or _by_default(host)
    if any(one.get("include") == "agent" for one in packages):
        return None
    return setting(host, "packages", [*packages, {"include": "agent", "from": "src"}], *TABLE)


def _by_default(host: Host) -> list[dict[str, str]]:
    found = (path.rpartition("/") for path in named(host, [by_default(host)]))
    return [{"include": name} | ({"from": folder} if folder else {}) for folder, _, name in found]


def has_requirements(host: Host) -> bool:
    """Return whether its own tables say what the project depends on, and not `[project]`."""
    has_own = "dependencies" in host.table(*TABLE) or not host.table("project")
    return host.tool == "poetry" and has_own
