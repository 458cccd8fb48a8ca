"""Who calls `advance`, and when."""
