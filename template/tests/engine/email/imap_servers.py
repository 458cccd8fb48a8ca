"""Real IMAP servers: pymap, which the tests install, and Dovecot if it is there."""

import imaplib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

USER, PASSWORD = "agent", "se/cret"

_DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
auth_failure_delay = 0
mail_location = maildir:{folder}/mail
first_valid_uid = 0
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


class Mailbox:
    """The mailbox that the agent reads, as another mail program sees it."""

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def url(self) -> str:
        return f"imap://{USER}:se%2Fcret@127.0.0.1:{self.port}/INBOX"

    def put(self, *mails: bytes) -> None:
        with self._open() as box:
            for mail in mails:
                assert box.append("INBOX", "", "", mail)[0] == "OK"

    def empty(self) -> None:
        with self._open() as box:
            if found := box.search(None, "ALL")[1][0].decode():
                box.store(found.replace(" ", ","), "+FLAGS", r"(\Deleted)")
            box.expunge()

    def flags(self) -> list[set[str]]:
        """Return the flags of each mail, oldest first."""
        with self._open() as box:
            _, found = box.fetch("1:*", "(FLAGS)")
        lines = [line for line in found if isinstance(line, bytes)]
        flags = [{flag.decode() for flag in imaplib.ParseFlags(line)} for line in lines]
        return [one - {r"\Recent"} for one in flags]

    @contextmanager
    def _open(self) -> Iterator[imaplib.IMAP4]:
        with imaplib.IMAP4("127.0.0.1", self.port, timeout=10) as box:
            box.login(USER, PASSWORD)
            box.select("INBOX")
            yield box


@contextmanager
def run_pymap(folder: Path) -> Iterator[Mailbox]:
    port = _free_port()
    command = [str(Path(sys.executable).with_name("pymap")), "--host", "127.0.0.1", "--no-tls"]
    user = ["dict", "--demo-user", USER, "--demo-password", PASSWORD]
    with _running([*command, "--port", str(port), *user], port):
        yield Mailbox(port)


@contextmanager
def run_dovecot(folder: Path) -> Iterator[Mailbox]:
    port, root = _free_port(), os.getuid() == 0
    user = "nobody" if root else pwd.getpwuid(os.getuid()).pw_name
    group = "nogroup" if root else str(os.getgid())
    text = _DOVECOT.format(folder=folder, port=port, password=PASSWORD, user=user, group=group)
    config = folder / "dovecot.conf"
    config.write_text(text)
    for name in ("run", "state", "mail"):
        (folder / name).mkdir()
    if root:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user)
    with _running([_dovecot_path() or "dovecot", "-F", "-c", str(config)], port):
        yield Mailbox(port)


def _dovecot_path() -> str | None:
    return shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, f"{command[0]} ended"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
