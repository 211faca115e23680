"""The database: one transaction a door, scope inside it, plumbing tables and the policies that guard every row.

`transaction.py` opens and closes, `plumbing.py` declares the tables every service has, `policies.py` prints the
statements that a migration runs. Nothing here knows a noun of a service.
"""

from shared.db.failures import (
    driver_error,
    failure_of,
    is_out_of_scope,
    is_passing,
    is_transient,
    is_unavailable,
    reason,
)
from shared.db.plumbing import ALLOWED_PLUMBING, Plumbing, access_report, plumbing_access, plumbing_tables
from shared.db.policies import (
    FULL_SCOPE,
    caller_only,
    definer_function,
    grant,
    open_to_all,
    reference,
    scope_check,
    scoped,
    scoped_through,
    worker_only,
)
from shared.db.pruning import Pruning
from shared.db.transaction import LostWork, Transaction, create_engine, into, lock, lock_number, transaction, try_lock

__all__ = [
    "ALLOWED_PLUMBING",
    "FULL_SCOPE",
    "LostWork",
    "Plumbing",
    "Pruning",
    "Transaction",
    "access_report",
    "caller_only",
    "create_engine",
    "definer_function",
    "driver_error",
    "failure_of",
    "grant",
    "into",
    "is_out_of_scope",
    "is_passing",
    "is_transient",
    "is_unavailable",
    "lock",
    "lock_number",
    "open_to_all",
    "plumbing_access",
    "plumbing_tables",
    "reason",
    "reference",
    "scope_check",
    "scoped",
    "scoped_through",
    "transaction",
    "try_lock",
    "worker_only",
]
