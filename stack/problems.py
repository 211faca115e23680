"""What can go wrong while setting up or running a stack, said plainly: what happened, and what to do."""


class StackProblem(Exception):
    """Something the operator can mend. `remedy` says how, in one sentence."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n  What to do: {remedy}")
        self.what = what
        self.remedy = remedy
