"""Real processes on a real database file, really killed; run with `pytest -m crash`.

`cases.py`      what they do: add one line there to put your own tools through the sweep
`moments.py`    ports that write down every moment they pass, and kill, stop or hold there
`lives.py`      what a process does: everything from the first message on, again each time
`processes.py`  the laboratory: starts processes, waits for them, plays the person, reads the log

Effects are counted in the *world*, a database of its own that knows nothing of threads.
"""
