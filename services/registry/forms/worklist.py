"""The work list: doubts to be looked into, as a workbook that somebody takes to the village. Names are masked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO

import xlsxwriter

from services.registry.forms.answer import OPTIONS, styles_of, write_text

HEADINGS = (
    "村", "户编号", "小组", "户主", "成员", "检查编号", "问题", "字段", "疑点", "状态", "核查人", "核查结论",
    "例外有效期止", "发现日期", "疑点编号",
)  # fmt: skip


def write_work_list(lines: Iterable[Sequence[str | None]], said: Sequence[str]) -> bytes:
    """One sheet; every cell is text whatever it begins with. `said` stands below: of what, when and for whom."""
    out = BytesIO()
    with xlsxwriter.Workbook(out, {**OPTIONS, "in_memory": True, "constant_memory": False}) as book:
        styles = styles_of(book)
        page = book.add_worksheet("疑点清单")
        page.freeze_panes(1, 0)
        for at, wording in enumerate(HEADINGS):
            page.write_string(0, at, wording, styles.head)
        last = 0
        for last, line in enumerate(lines, start=1):
            for at, text in enumerate(line):
                write_text(page, last, at, text, styles.text)
        for below, text in enumerate(said, start=last + 2):
            write_text(page, below, 0, text, styles.reason)
    return out.getvalue()
