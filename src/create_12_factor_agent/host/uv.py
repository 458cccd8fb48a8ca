"""uv_build takes its modules from one folder, `src` unless it says otherwise."""

from .facts import PYPROJECT, Host
from .lines import Lines, assigned, setting
from .packages import AGENT, by_default, named

TABLE = ("tool", "uv", "build-backend")


def including(host: Host) -> Lines | None:
    """Return what makes it take in the agent; None where it does."""
    settings = host.table(*TABLE)
    module = settings.get("module-name", by_default(host))
    names = module if isinstance(module, list) else [module]
    if settings.get("module-root", "src") != "src":
        return _with_hatchling(host, names)
    return None if "agent" in names else setting(host, "module-name", [*names, "agent"], *TABLE)


def _with_hatchling(host: Host, names: list[str]) -> Lines:
    lines = (
        "[build-system]",
        'requires = ["hatchling"]',
        'build-backend = "hatchling.build"',
        "",
        "[tool.hatch.build.targets.wheel]",
        assigned("packages", [*named(host, names), AGENT]),
    )
    why = "uv_build takes packages from one folder only, and yours are not in src/."
    return Lines(PYPROJECT, "in place of [build-system]", lines, why)
