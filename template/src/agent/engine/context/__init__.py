"""What the model reads: events become blocks, and blocks the next prompt. Pure, no I/O."""
