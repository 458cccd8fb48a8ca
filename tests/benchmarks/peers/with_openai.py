"""The same loop by hand with the official SDK; all that was said is one message, as in the guide.

As a list of messages it would cost the SDK more, the longer it is.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from harness import URL, One, measure
from openai import AsyncOpenAI
from with_httpx import FORMAT, Messages, by_hand, open_messages


def join(messages: Messages) -> Messages:
    system, *said = messages
    text = "\n\n".join(f"<{each['role']}>\n{each['content']}\n</{each['role']}>" for each in said)
    return [system, {"role": "user", "content": text}]


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[One]:
    async with AsyncOpenAI(api_key="none", base_url=URL) as client:

        async def ask(messages: Messages) -> str:
            said = await client.chat.completions.create(
                model="local",
                messages=join(messages),  # type: ignore[arg-type]
                response_format=FORMAT,  # type: ignore[arg-type]
            )
            return str(said.choices[0].message.content)

        yield by_hand(ask, open_messages(path))


if __name__ == "__main__":
    measure(opened)
