"""One told story for all journeys of a test run: a journey that disturbs the stack leaves it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journeys.digest import Digest, digest_of
from tests.journeys.make import Rehearsal, rehearsal

BEFORE_PAYMENT = "before payment"
TOLD = "told"

STRANGERS = ("test_canaries.py", "test_fuzz.py", "test_scope_matrix.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those who leave nouns of their own come last, when nobody compares the story with its digest any more."""
    items.sort(key=lambda item: item.path.parent.name == "journeys" and item.path.name in STRANGERS)


@pytest.fixture(scope="session")
def moments() -> dict[str, Digest]:
    """The digests of two moments of the told story, filled by `told`."""
    return {}


@pytest.fixture(scope="session")
def told(moments: dict[str, Digest]) -> Iterator[Rehearsal]:
    """The whole story on a running practice stack, every figure as it must be; backups of two of its moments."""
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
