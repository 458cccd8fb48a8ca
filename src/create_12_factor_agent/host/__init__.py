"""A project that an agent is brought into: what it says of itself, and what it needs for the agent.

`facts` reads it, `alone` reads what a repository of the agent alone would have, and `needs`
compares the two. Everything comes out as `lines` to paste: only its owner changes its files.
"""
