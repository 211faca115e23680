"""The scenes in their order, and all that can be read anew when the comparison has been told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stack.demo.living import live_on
from stack.demo.story import Story, exits, judge_again, judge_all, open_book, pay, take_in, verify_all

Scene = tuple[str, Callable[[Story], Any]]
SCENES: tuple[Scene, ...] = (
    ("名册导入 the register comes in", take_in),
    ("逐户研判 every household is judged", judge_all),
    ("合作社建账 the cooperative opens its book", open_book),
    ("一个村的退出 the exits of one village", exits),
    ("分红兑付 the dividend is paid", pay),
    ("再次研判 all are judged again", judge_again),
    ("核对 everything is verified", verify_all),
    ("疑点核查与分户 a doubt is settled, a household parts", live_on),
)
