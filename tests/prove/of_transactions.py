"""Guards of the door: who sees which row, what is committed when, what is sealed, who may come in, whose job it is."""

from __future__ import annotations

from tests.prove.breaks import Break

DB = "tests/shared/test_db.py::"
WEB = "tests/shared/test_web.py::"
AUTH = "tests/shared/test_auth.py::"
JOBS = "tests/shared/test_jobs.py::"

BREAKS = [
    Break(
        "access log: an auditor reads of callers who share one place with him",
        "shared/db/plumbing.py",
        "                    when d.code % 1000 = 0 then 1000 else 1 end) <@ asked)))\n",
        "                    when d.code % 1000 = 0 then 1000 else 1 end) && asked)))\n",
        AUTH + "test_an_auditor_reads_of_callers_whose_whole_place_is_his",
    ),
    Break(
        "access log: the auditor's own asking is not written down",
        "shared/web/access_routes.py",
        "        await log_access(tx, officer, purpose=purpose or USUAL_PURPOSE, noun=",
        "        _ = log_access, officer, dict(purpose=purpose or USUAL_PURPOSE, noun=",
        WEB + "test_an_auditor_asks_who_saw_a_household_and_his_asking_is_logged_too",
    ),
    Break(
        "scope: policies not forced upon the owner",
        "shared/db/policies.py",
        "alter table {table} force row level security",
        "alter table {table} no force row level security",
        DB + "test_the_owner_is_bound_too_and_a_definer_function_answers_only_yes_or_no",
    ),
    Break(
        "scope: only the outermost bounds are looked at",
        "shared/db/policies.py",
        "        f\" and {code} <@ {setting('scope', 'int8multirange')}\"\n",
        "",
        DB + "test_rows_in_scope_alone_are_seen",
    ),
    Break(
        "scope: it outlives its transaction",
        "shared/db/transaction.py",
        "set_config('tuopin.lo', {lo}, true), set_config('tuopin.hi', {hi}, true),\"\n"
        "    \" set_config('tuopin.scope', {ranges}, true), set_config('tuopin.caller', {caller}, true)",
        "set_config('tuopin.lo', {lo}, false), set_config('tuopin.hi', {hi}, false),\"\n"
        "    \" set_config('tuopin.scope', {ranges}, false), set_config('tuopin.caller', {caller}, false)",
        DB + "test_a_connection_without_scope_sees_nothing_fresh_or_used",
    ),
    Break(
        "transaction: lost work is not noticed",
        "shared/db/transaction.py",
        '        if told != "COMMIT":\n',
        '        if told == "LOST":\n',
        DB + "test_a_swallowed_database_error_is_an_error",
    ),
    Break(
        "transaction: who asks again overtakes who waits",
        "shared/db/turns.py",
        "asyncio.Semaphore(pool.size())",
        "asyncio.Semaphore(1000 * pool.size())",
        DB + "test_who_waits_for_a_connection_is_not_overtaken_by_who_asks_again",
    ),
    Break(
        "transaction: the commit comes after the answer",
        "shared/web/routing.py",
        'Tx = Annotated[Transaction, Depends(open_tx, scope="function")]',
        'Tx = Annotated[Transaction, Depends(open_tx, scope="request")]',
        WEB + "test_the_commit_precedes_the_answer",
    ),
    Break(
        "idempotency: off",
        "shared/web/routing.py",
        "        if route.is_write:\n",
        '        if route.is_write and "idempotency-key" not in request.headers:\n',
        WEB + "test_the_first_answer_is_given_again_byte_for_byte",
    ),
    Break(
        "idempotency: any request is taken for the first",
        "shared/web/idempotency.py",
        'if first["request_hash"] != passing.body_digest:',
        'if not first["request_hash"]:',
        WEB + "test_another_body_or_query_or_path_under_the_same_key_is_refused",
    ),
    Break(
        "seal: a value is not bound to its row",
        "shared/crypto.py",
        "encrypt(nonce, text.encode(), place + _part(str(row))))\n"
        "        return sealed\n"
        "\n"
        "    def unseal(self, table: str, column: str, row: RowId, sealed: bytes) -> str:\n"
        '        """The text, if it was sealed for this very place and is unchanged."""\n'
        '        name, rest = _named(sealed[1:]) if sealed[:1] == bytes((SEALED_VERSION,)) else (b"", b"")\n'
        "        cipher = self._ciphers.get(name)\n"
        "        if cipher is None or len(rest) < NONCE_BYTES:\n"
        '            raise SealBroken("not sealed by a key of this ring")\n'
        "        try:\n"
        "            place = _place(table, column) + _part(str(row))\n",
        "encrypt(nonce, text.encode(), place))\n"
        "        return sealed\n"
        "\n"
        "    def unseal(self, table: str, column: str, row: RowId, sealed: bytes) -> str:\n"
        '        """The text, if it was sealed for this very place and is unchanged."""\n'
        '        name, rest = _named(sealed[1:]) if sealed[:1] == bytes((SEALED_VERSION,)) else (b"", b"")\n'
        "        cipher = self._ciphers.get(name)\n"
        "        if cipher is None or len(rest) < NONCE_BYTES:\n"
        '            raise SealBroken("not sealed by a key of this ring")\n'
        "        try:\n"
        "            place = _place(table, column)\n",
        "tests/shared/test_crypto.py::test_a_value_moved_elsewhere_does_not_open",
    ),
    Break(
        "token: one that has expired is accepted",
        "shared/auth.py",
        "        except ExpiredTokenError:\n            raise TokenExpired from None\n",
        '        except ExpiredTokenError:\n            log.info("token has expired")\n',
        AUTH + "test_a_token_that_does_not_hold_is_refused",
    ),
    Break(
        "token: one remembered never ends",
        "shared/auth.py",
        "seen.keys is keys and time.time() <= seen.ends + LEEWAY_SECONDS:",
        "seen.keys is keys and seen.ends + LEEWAY_SECONDS > 0:",
        AUTH + "test_a_token_that_held_ends_in_time_and_with_its_key",
    ),
    Break(
        "access log: who looked through a list is not written down",
        "shared/auth.py",
        "    await tx.driver.execute(LOG_ACCESS,",
        '    if action == "read":\n        await tx.driver.execute(LOG_ACCESS,',
        AUTH + "test_one_row_a_query_with_the_ids_seen",
    ),
    Break(
        "access log: an exact search leaves no line",
        "shared/auth.py",
        "'{{}}') from shown)",
        "'{{}}') from shown having false)",
        "tests/registry/test_api.py::test_a_person_is_found_by_his_number_which_stands_in_no_address",
    ),
    Break(
        "jobs: a chunk sees everything",
        "shared/jobs.py",
        "transaction(self._engine, job.scope, caller=job.sub, traceparent=job.traceparent) as tx:\n            step =",
        "transaction(\n            self._engine, Scope.everything(), caller=job.sub, traceparent=job.traceparent\n"
        "        ) as tx:\n            step =",
        JOBS + "test_a_chunk_runs_under_its_submitter_s_scope_and_name",
    ),
    Break(
        "jobs: who lost the lease commits all the same",
        "shared/jobs.py",
        "leased_until = clock_timestamp() + $7\n    where id = $1 and lease = $2 and state = 'running'",
        "leased_until = clock_timestamp() + $7\n    where id = $1 and $2::uuid is not null",
        JOBS + "test_who_lost_the_lease_cannot_commit",
    ),
    Break(
        "jobs: clearing up that fails is tried for ever",
        "shared/jobs.py",
        "            if job.attempts <= MOST_ATTEMPTS:\n",
        "            if job.attempts >= 0:\n",
        JOBS + "test_clearing_up_that_fails_is_tried_again_and_then_given_up",
    ),
]
