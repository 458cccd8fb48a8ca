"""A model server on this machine that speaks Chat Completions: `python endpoint.py LATENCY_S`.

It prints its address. A request whose first words are "thread <name> of <steps>" is answered with
a call of the tool `look`, after so many of them with the end of the thread: as a tool call where
the request has tools, else as the JSON that its schema asks for.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from typing import Any

NAMED = re.compile(rb"thread (\w+) of (\d+)")
LATENCY_S = float(sys.argv[1])
asked = Counter[bytes]()


def answer(body: bytes) -> bytes:
    named = NAMED.search(body)
    assert named, "the first message names no thread"
    thread, steps = named.groups()
    asked[thread] += 1
    count, more = asked[thread], asked[thread] <= int(steps)
    if b'"json_schema"' in body:
        look, end = {"intent": "look", "at": f"place {count}"}, {"intent": "done", "message": "ok"}
        said: dict[str, Any] = {"content": json.dumps({"next_step": look if more else end})}
    elif more:
        call = {"name": "look", "arguments": json.dumps({"at": f"place {count}"})}
        calls = [{"id": f"call_{count}", "type": "function", "function": call}]
        said = {"content": None, "tool_calls": calls}
    else:
        said = {"content": "ok"}
    stop = "tool_calls" if "tool_calls" in said else "stop"
    choice = {"index": 0, "finish_reason": stop, "message": {"role": "assistant", **said}}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    head = {"id": f"c{count}", "object": "chat.completion", "created": 1, "model": "local"}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = re.search(rb"(?i)content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            await asyncio.sleep(LATENCY_S)
            said = answer(body)
            line = (
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            )
            writer.write(line % len(said) + said)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**26, backlog=1000)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


asyncio.run(main())
