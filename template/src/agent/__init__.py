"""An agent you own. Read it in this order:

tools, control_flow, prompts (yours) · events, state, thread (the log and its fold) ·
loop, tool_calls, record (what moves it) · context, blocks (what the model reads) ·
api (every way in) · ports and their adapters · app (plugged together).
"""
