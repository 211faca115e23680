"""Guards of facts on their way: said with the commit, sent in order, heard once, put aside and never dropped."""

from __future__ import annotations

from tests.prove.breaks import Break

OUTBOX = "tests/shared/test_outbox.py::"
HEARING = "tests/shared/test_hearing.py::"
RECOVERY = "tests/shared/test_recovery.py::"
EFFECTS = "shared/hearing/effects.py"

BREAKS = [
    Break(
        "republish: a verb and it wait for each other",
        "shared/recovery.py",
        "in exclusive mode",
        "in share row exclusive mode",
        RECOVERY + "test_a_verb_that_holds_its_row_and_a_republish_do_not_wait_for_each_other",
    ),
    Break(
        "outbox: a fact is said outside its transaction",
        "shared/outbox.py",
        "    await tx.driver.execute(statement, *given)\n",
        "    async with tx.core.engine.begin() as beside:\n"
        "        driver: Any = (await beside.get_raw_connection()).driver_connection\n"
        "        await driver.execute(statement, *given)\n",
        OUTBOX + "test_a_fact_stands_in_the_outbox_only_if_the_transaction_commits",
    ),
    Break(
        "relay: deletes before it has sent",
        "shared/outbox.py",
        "                await asyncio.wait_for(self._publish(producer, living), self._pace.publish)\n"
        '                await connection.execute(SENT_ROWS, [row["id"] for row, _ in living])\n',
        '                await connection.execute(SENT_ROWS, [row["id"] for row, _ in living])\n'
        "                await asyncio.wait_for(self._publish(producer, living), self._pace.publish)\n",
        OUTBOX + "test_the_broker_away_for_a_while",
    ),
    Break(
        "relay: the newest first",
        "shared/outbox.py",
        "  from outbox order by id limit $1\n",
        "  from outbox order by id desc limit $1\n",
        OUTBOX + "test_a_stopping_relay_sends_the_rest_in_order",
    ),
    Break(
        "inbox: off",
        EFFECTS,
        "return [one for one in free if ears.is_state(one.record.topic) or one.event_id in new]",
        "return [one for one in free if counted]",
        HEARING + "test_each_event_takes_effect_once_and_in_order",
    ),
    Break(
        "parking: a fact that cannot be applied is dropped",
        EFFECTS,
        "        await parked.park(tx, ears.name, [aside])\n",
        "",
        HEARING + "test_poison_is_parked_and_the_rest_of_the_batch_applied",
    ),
    Break(
        "parking: later facts of the key do not wait",
        EFFECTS,
        "        if event and one.record.key is not None:\n            blocked.add(queue)\n",
        "",
        HEARING + "test_poison_is_parked_and_the_rest_of_the_batch_applied",
    ),
    Break(
        "positions: Kafka is believed before the database",
        "shared/hearing/positions.py",
        "if offset is not None and here.get(place, 0) < offset:",
        "if offset is not None and offset < here.get(place, 0):",
        RECOVERY + "test_a_restored_listener_hears_the_lost_day_again_by_itself",
    ),
    Break(
        "positions: one cluster's position is used in another",
        "shared/hearing/positions.py",
        ' for row in rows if row["cluster"] == cluster}',
        " for row in rows}",
        RECOVERY + "test_a_position_in_another_cluster_says_nothing_about_this_one",
    ),
    Break(
        "republication: an end counts without its beginning",
        "shared/hearing/republication.py",
        "if await tx.driver.fetchval(END, *place) is not None:",
        "await tx.driver.execute(BEGIN, *place)\n    if await tx.driver.fetchval(END, *place) is not None:",
        RECOVERY + "test_who_did_not_hear_the_beginning_lets_nothing_go",
    ),
    Break(
        "positions: not moved with the effects",
        EFFECTS,
        "            outcome.versions = _versions(ears, batch)\n"
        "            await positions.advance(tx, ears.name, reached)\n",
        "            outcome.versions = _versions(ears, batch)\n",
        HEARING + "test_the_same_event_twice_in_one_batch_counts_once",
    ),
    Break(
        "republication: one mark is taken for all",
        "shared/hearing/republication.py",
        'complete = row["marks"] >= partitions[topic]',
        'complete = row["marks"] >= min(partitions[topic], 1)',
        RECOVERY + "test_only_when_all_marks_are_heard_what_was_not_named_goes",
    ),
]
