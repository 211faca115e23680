"""One told story for all journeys of a test run: a journey that disturbs the stack leaves it as it was.

One that fails may not have done so: the next module looks, and has the story told afresh if the stack is disturbed.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from tests.journeys.digest import Digest, digest_of
from tests.journeys.make import Rehearsal, rehearsal
from tests.journeys.standing import Standing

BEFORE_PAYMENT = "before payment"
TOLD = "told"

STRANGERS = ("test_bounced.py", "test_canaries.py", "test_fuzz.py", "test_scope_matrix.py")
STAGE = pytest.StashKey[Standing[Rehearsal]]()
log = logging.getLogger(__name__)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those who leave nouns of their own come last, when nobody compares the story with its digest any more."""
    items.sort(key=lambda item: item.path.parent.name == "journeys" and item.path.name in STRANGERS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """After a failed journey nobody takes the stack for sound."""
    report = yield
    if report.failed and STAGE in item.session.stash:
        item.session.stash[STAGE].is_doubted = True
    return report


@pytest.fixture(scope="session")
def moments() -> dict[str, Digest]:
    """The digests of two moments of the told story, filled by `told`."""
    return {}


@pytest.fixture(scope="session")
def stage(request: pytest.FixtureRequest, moments: dict[str, Digest]) -> Iterator[Standing[Rehearsal]]:
    """Where the story is told: once, if nobody disturbs it."""
    one = request.session.stash[STAGE] = Standing(lambda: _told(moments))
    yield one
    one.close()


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest, stage: Standing[Rehearsal], moments: dict[str, Digest]) -> Rehearsal:
    """The whole story on a running practice stack, every figure as it must be; backups of two of its moments."""
    is_strange = request.path.name in STRANGERS
    return stage.get(lambda one: is_sound(one, None if is_strange else moments[TOLD]))


def is_sound(one: Rehearsal, expected: Digest | None) -> bool:
    """Nothing under way, parked or missing; and, where nobody has left nouns of his own, the story's end."""
    try:
        one.quiet()
        return bool(one.verified()["equal"]) and (expected is None or not expected.differences(digest_of(one)))
    except Exception:  # whatever it is: a sound stack answers
        log.exception("the told stack does not answer")
        return False


@contextmanager
def _told(moments: dict[str, Digest]) -> Iterator[Rehearsal]:
    with rehearsal() as one:
        one.play("名册导入", "逐户研判", "合作社建账", "一个村的退出")
        one.quiet()
        _keep(one, BEFORE_PAYMENT, moments)
        one.play("分红兑付", "再次研判", "核对")
        assert one.story.comparison.differences == []
        _keep(one, TOLD, moments)
        yield one


def _keep(one: Rehearsal, moment: str, moments: dict[str, Digest]) -> None:
    one.backups[moment] = one.folder / moment.replace(" ", "-")
    one.tuopin("backup", str(one.backups[moment]))
    moments[moment] = digest_of(one)
