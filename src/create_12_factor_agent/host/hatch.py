"""Hatchling takes the packages that it names, or the one that is called like the project."""

from .facts import Host
from .lines import Lines, in_table, setting
from .packages import AGENT, by_default, named

BUILD = ("tool", "hatch", "build")
WHEEL = (*BUILD, "targets", "wheel")


def including(host: Host) -> Lines | None:
    """Return what makes it take in the agent; None where it does."""
    settings = {**host.table(*BUILD), **host.table(*WHEEL)}
    packages = settings.get("packages") or named(host, [by_default(host)])
    if any(str(one).rpartition("/")[2] == "agent" for one in packages):
        return None
    if "packages" not in settings and {"include", "only-include", "sources"} & {*settings}:
        if AGENT in host.table(*WHEEL, "force-include"):
            return None
        return in_table(host, [f'"{AGENT}" = "agent"'], *WHEEL, "force-include")
    table = BUILD if "packages" in host.table(*BUILD) else WHEEL
    return setting(host, "packages", [*packages, AGENT], *table)
