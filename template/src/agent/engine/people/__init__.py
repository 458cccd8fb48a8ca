"""The people: who is who, where each is reached, and how the log reads to them."""
