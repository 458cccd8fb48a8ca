"""How people are told that something waits for them or is done. One module a channel."""
