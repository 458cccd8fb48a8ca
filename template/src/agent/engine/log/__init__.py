"""The log and its fold: events, the state they come to, and what may go wrong. Pure, no I/O."""
