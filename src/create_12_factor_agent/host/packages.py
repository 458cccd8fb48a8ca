"""Where the project has its packages and modules: what its build takes in."""

from pathlib import Path

from .facts import Host
from .versions import name_of

AGENT = "src/agent"

_APART = ("docs", "evals", "test", "tests")


def packages(host: Host) -> list[str]:
    """Return its own packages and modules, as paths, without the agent and without tests."""
    roots = [root for root in (host.path, host.path / "src") if root.is_dir()]
    found = [path for root in roots for path in root.iterdir() if _is_package(path)]
    names = sorted(path.relative_to(host.path).as_posix() for path in found)
    return [name for name in names if name not in (*_APART, AGENT)]


def module(path: str) -> str:
    """Return what a package or module is imported as."""
    return path.removeprefix("src/").removesuffix(".py")


def named(host: Host, names: list[str]) -> list[str]:
    """Return where some modules of the project are; all that are found where none of these is."""
    own, wanted = packages(host), {name.partition(".")[0] for name in names}
    return [path for path in own if module(path) in wanted] or own


def by_default(host: Host) -> str:
    """Return the module that a build backend takes if nothing else is said."""
    return name_of(str(host.project.get("name", host.path.name))).replace("-", "_")


def _is_package(path: Path) -> bool:
    if path.is_dir():
        return (path / "__init__.py").is_file()
    return path.suffix == ".py" and path.name not in ("conftest.py", "setup.py")
