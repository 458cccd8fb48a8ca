"""Where threads are stored. One module for each store; `tests/engine/stores/contract.py` says what
every store must do."""
