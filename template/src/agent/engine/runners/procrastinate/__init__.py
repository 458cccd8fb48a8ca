"""Runs threads through jobs of Procrastinate: the runner, and the command to look at its jobs."""
