"""What a person does in the inbox, with a browser that has no scripts: `person.py WORD TOKEN …`.

start TOKEN TEXT      start a thread; print its path once it waits for an approval
begin TOKEN TEXT      start a thread; print its path at once
approve TOKEN PATH    approve what the thread at this path waits for; print what it answers
read TOKEN PATH       print the events of the thread, one type a line
"""

import json
import re
import sys
import time
from collections.abc import Callable
from html import unescape
from http.cookiejar import CookieJar
from typing import TypeVar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

T = TypeVar("T")

URL = "http://127.0.0.1:8000"
PATIENCE_S = 60

web = build_opener(HTTPCookieProcessor(CookieJar()))


def fetch(path: str, **fields: str) -> tuple[str, str]:
    """Return where a request led to, and the page."""
    body = urlencode(fields).encode() if fields else None
    with web.open(URL + path, body, timeout=10) as response:
        return response.url.removeprefix(URL), response.read().decode()


def read_form(page: str, mark: str) -> dict[str, str]:
    """Return the hidden fields of the form that has this mark in it; none without one."""
    for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
        if mark in form:
            tags = re.findall(r'<input type="hidden"[^>]*>', form)
            named = [re.findall(r' (?:name|value)="([^"]*)"', tag) for tag in tags]
            return {name: unescape(value) for name, value in named}
    return {}


def wait_for(path: str, find: Callable[[str], T]) -> T:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := find(fetch(path)[1])):
        if time.monotonic() > deadline:
            sys.exit(fetch(path)[1])
        time.sleep(0.2)
    return found


def read_approval(page: str) -> dict[str, str]:
    return read_form(page, 'value="approve"')


def read_answer(page: str) -> str:
    found = re.search(r'Answer</strong>.*?<pre class="text">(.*?)</pre>', page, re.DOTALL)
    return unescape(found[1]) if found else ""


def begin(text: str) -> str:
    form = read_form(fetch("/")[1], "Start a thread")
    return fetch("/", **form, text=text)[0].partition("#")[0]


def start(text: str) -> str:
    path = begin(text)
    wait_for(path, read_approval)
    return path


def approve(path: str) -> str:
    form = wait_for(path, read_approval)
    fetch(path, **form, do="approve", text="")
    return wait_for(path, read_answer)


def read(path: str) -> str:
    web.addheaders = [("Authorization", f"Bearer {token}")]
    thread = json.loads(fetch(f"/threads/{path.rpartition('/')[2]}")[1])
    return "\n".join(event["type"] for event in thread["events"])


word, token, about = sys.argv[1:]
fetch("/login", token=token, next="/")
words = {"start": start, "begin": begin, "approve": approve, "read": read}
sys.stdout.write(f"{words[word](about)}\n")
