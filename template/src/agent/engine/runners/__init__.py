"""Who advances threads, and when. One module for each runner, and what triggers are given."""
