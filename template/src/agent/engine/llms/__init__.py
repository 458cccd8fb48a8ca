"""Who chooses the next step. One module a provider, plus what all of them share."""
