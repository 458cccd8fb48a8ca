"""An agent you own. Read it in this order:

tools, control_flow, prompts (yours) · events, state, thread (the log and its fold) ·
loop, tool_calls, outcome, record (what moves it) · context, rendering, blocks, compaction (what
the model reads) · api, verdicts (every way in) · ports and their adapters · app (plugged
together) · evals (does the model choose well).
"""
