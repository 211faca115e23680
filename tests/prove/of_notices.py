"""Guards of what hangs in public."""

from __future__ import annotations

from tests.prove.breaks import Break

ACTIONS = "tests/notify/test_actions.py::"
API = "tests/notify/test_api.py::"

BREAKS = [
    Break(
        "notices: masking off",
        "services/notify/domain.py",
        'if "*" not in item.masked_head:',
        "if not item.masked_head:",
        ACTIONS + "test_what_a_village_may_not_see_is_never_hung",
    ),
    Break(
        "notices: more than may be read is hidden in the page",
        "services/notify/notices/page_templates/village.html.j2",
        '<tr><th scope="row">{{ row.name }}</th>',
        '<tr title="{{ row|string }}"><th scope="row">{{ row.name }}</th>',
        "tests/notify/test_api.py::test_every_word_of_the_page_is_on_the_list",
    ),
    Break(
        "notices: what came down crowds out what hangs",
        "services/notify/reports.py",
        "        hangs.desc(), public_notice.c.notice.desc()\n",
        "        public_notice.c.notice.desc()\n",
        "tests/notify/test_api.py::test_what_came_down_crowds_out_nothing_that_hangs",
    ),
    Break(
        "notices: names stay on the page until the due-loop comes",
        "services/notify/reports.py",
        "hangs = sa.and_(public_notice.c.board.is_not(None), public_notice.c.last_day >= on)",
        "hangs = sa.and_(public_notice.c.board.is_not(None))",
        API + "test_after_the_last_day_nobody_reads_a_name",
    ),
    Break(
        "notices: taken down a day early",
        "services/notify/domain.py",
        "notice.last_day + timedelta(days=1)",
        "notice.last_day + timedelta(days=0)",
        ACTIONS + "test_it_hangs_through_its_last_day_and_comes_down_with_midnight",
    ),
    Break(
        "notices: escaping off",
        "services/notify/notices/pages.py",
        "autoescape=True",
        "autoescape=False",
        API + "test_hostile_names_are_text_and_nothing_else",
    ),
    Break(
        "notices: taken down, the list stays readable",
        "services/notify/partners.py",
        ".values(board=sa.null())",
        ".values(last_day=notice.last_day)",
        ACTIONS + "test_it_hangs_through_its_last_day_and_comes_down_with_midnight",
    ),
    Break(
        "notices: hung without a word to assessment",
        "services/notify/actions.py",
        "    await announce(tx, hung.publicity, *facts, at=now)\n",
        "",
        ACTIONS + "test_a_publicity_becomes_one_notice_and_hangs",
    ),
]
