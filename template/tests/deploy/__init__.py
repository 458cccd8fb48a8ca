"""A package, so that no module in it is taken for one of the project's tests."""
