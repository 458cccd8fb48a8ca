"""The channel of those who follow the log themselves."""

from agent.channels.poll import PollChannel
from agent.loop import advance
from agent.stores.memory import MemoryStore

from ..domain import Says, World, agent_of, said, stored


async def test_who_follows_the_log_finds_everything_in_it(store: MemoryStore, world: World) -> None:
    ask = {"intent": "ask_person", "question": "which?"}
    agent = agent_of(store, Says(ask), world, channels={"poll": PollChannel()})
    thread = await advance(agent, await stored(store, said()))
    assert thread.state.outbox == ()
    assert thread.event(3).data["text"] == "which?"
    assert thread.event(4).data == {"ref": 3}
