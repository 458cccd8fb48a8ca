"""A real PgBouncer in transaction mode, in front of the PostgreSQL of the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import pytest
from psycopg.conninfo import conninfo_to_dict

from .server import create_database, get_url

if shutil.which("pgbouncer") is None:
    pytest.skip("needs pgbouncer (apt-get install pgbouncer)", allow_module_level=True)

TARGET = ("host", "port", "user", "password")
CONFIG = """
[databases]
* = {target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
"""


@dataclass(frozen=True)
class Urls:
    pooled: str
    direct: str


@contextmanager
def create_pooled_database() -> Iterator[Urls]:
    """Create a database, and return the two ways to it."""
    with create_database() as direct, start_pooler(get_url()) as port:
        name = conninfo_to_dict(direct)["dbname"]
        yield Urls(f"postgresql://agent@127.0.0.1:{port}/{name}", direct)


@contextmanager
def start_pooler(server: str) -> Iterator[int]:
    """Start PgBouncer, and return its port."""
    given = conninfo_to_dict(server)
    target = " ".join(f"{name}={given[name]}" for name in TARGET if given.get(name))
    port = _find_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "pgbouncer.ini")
        config.write_text(CONFIG.format(target=target, port=port))
        Path(folder).chmod(0o755)
        program = ["pgbouncer", "--quiet", str(config)]
        process = subprocess.Popen(program, user=_choose_user(str(given.get("host", ""))))
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()
            process.wait()


def _choose_user(host: str) -> int | None:
    """PgBouncer does not run as root: return who may open the server's socket."""
    if os.geteuid() != 0:
        return None
    return Path(host).stat().st_uid if host.startswith("/") else 65534


def _find_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if monotonic() > deadline:
                raise
            sleep(0.02)
