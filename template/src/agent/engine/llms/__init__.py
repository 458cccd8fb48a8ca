"""The models that choose the next step: one module for each provider, and what they share."""
