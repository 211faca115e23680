"""What is dear and shared by many tests: opened once, looked at after a failure, opened afresh only if it is spoilt."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)


class Standing(Generic[T]):
    """One thing at a time. Who fails may have disturbed it: whoever comes next does not fail for the same reason."""

    def __init__(self, make: Callable[[], AbstractContextManager[T]]) -> None:
        self._make = make
        self._opened: AbstractContextManager[T] | None = None
        self._thing: T | None = None
        self._failure: BaseException | None = None
        self.is_doubted = False

    def get(self, is_sound: Callable[[T], bool]) -> T:
        """It, or another like it if it is doubted and not sound. What could not be opened once is not tried again."""
        if self._failure is not None:
            raise self._failure
        if self._thing is not None and self.is_doubted and not is_sound(self._thing):
            log.warning("disturbed by a test that failed: opened afresh")
            self.close()
        if self._thing is None:
            self._open()
        self.is_doubted = False
        assert self._thing is not None
        return self._thing

    def _open(self) -> None:
        opened = self._make()
        try:
            self._thing = opened.__enter__()
        except BaseException as error:
            self._failure = error
            raise
        self._opened = opened

    def close(self) -> None:
        """End it; what is disturbed may not even end well."""
        opened, self._opened, self._thing = self._opened, None, None
        if opened is None:
            return
        try:
            opened.__exit__(None, None, None)
        except Exception:
            if not self.is_doubted:
                raise
            log.exception("it did not end well")
