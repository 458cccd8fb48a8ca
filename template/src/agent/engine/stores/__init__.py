"""Where threads live. One module a store; `tests/stores/contract.py` says what each must do."""
