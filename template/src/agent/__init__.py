"""Agents that you own, in two rooms: yours, and the engine's.

Yours is `app.py`, which names your agents, and one folder for each. Read an agent in this order:
tools, control_flow, context, prompts.

`engine/` is everything else. You own it too, but seldom open it, and updates change it. Read it in
this order: log (events, fold, state) · loop (advance, tool_calls, record, delegate; api and
verdicts are the ways in, ports what adapters do) · context (what the model reads) · people · llms,
stores, runners · cli and the other parts · build (plugs everything together).
"""
