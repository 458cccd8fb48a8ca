"""The loop, what it may write, every way in, and the ports behind which the world lies."""
