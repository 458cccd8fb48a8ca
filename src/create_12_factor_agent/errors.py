"""What can go wrong, in words for people.

UserError         it did not work; exit code 1, or STOPPED where a signal ended it
└── UsageError    it was asked for wrongly; exit code 2
"""

LEFT = 3
"""The exit code where it is done, and something is left to the owner."""
STOPPED = 130
"""The exit code after Ctrl-C; after another signal the program ends as shells expect it."""


class UserError(Exception):
    """A problem and what to do about it."""

    def __init__(self, problem: str, hint: str, code: int = 1) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.code = code


class UsageError(UserError):
    """A command line or an answer that cannot be carried out."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem, hint, code=2)
