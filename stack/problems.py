"""What can go wrong while setting up or running a stack, said plainly: what happened, and what to do."""

import errno
from collections.abc import Iterator


class StackProblem(Exception):
    """Something the operator can mend. `remedy` says how, in one sentence."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n  What to do: {remedy}")
        self.what = what
        self.remedy = remedy


AGAIN = "mend that, then run the same command again"
ELSEWHERE = (
    "is it up? `tuopin status` tells; a server elsewhere is named by TUOPIN_DATABASE_URL or TUOPIN_KAFKA_BOOTSTRAP"
)
NOT_YOURS = "it belongs to another user: run this as that user, or name a folder of your own (TUOPIN_HOME for a stack)"
NO_ROOM = "free some space, then run the same command again"
REMEDIES = {
    errno.EACCES: NOT_YOURS,
    errno.EPERM: NOT_YOURS,
    errno.EROFS: "choose a folder that can be written (TUOPIN_HOME for a stack)",
    errno.ENOSPC: NO_ROOM,
    errno.EDQUOT: NO_ROOM,
    errno.ECONNREFUSED: ELSEWHERE,
    errno.ETIMEDOUT: ELSEWHERE,
}
# Connection, authorisation, no such database, no room, shutting down: an operator mends it, unlike a wrong statement.
REFUSALS = ("08", "28", "3D", "53", "57")


def plain(error: Exception) -> StackProblem | None:
    """What the system, the database or the broker refused; nothing for what is a fault of ours and wants its trace."""
    for one in _causes(error):
        if isinstance(one, StackProblem):
            return one
        if isinstance(one, OSError):
            return StackProblem(_words(one), REMEDIES.get(one.errno or 0, AGAIN))
        module, name = type(one).__module__, type(one).__name__
        if module.startswith("asyncpg") and str(getattr(one, "sqlstate", None) or "")[:2] in REFUSALS:
            return StackProblem(f"the database refused: {str(one).splitlines()[0]}", ELSEWHERE)
        if module.startswith("aiokafka") and name in ("KafkaConnectionError", "KafkaTimeoutError"):
            return StackProblem("Kafka does not answer", ELSEWHERE)
    return None


def _words(error: OSError) -> str:
    told = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {told}" if error.filename else told


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__
