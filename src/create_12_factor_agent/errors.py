"""What can go wrong, told to people.

UserError         it did not work; exit code 1, or 130 where somebody stopped it
└── UsageError    it was asked for wrongly; exit code 2
"""


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
