"""The demonstration's report: one HTML page, readable without network, with pictures and all tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from markupsafe import Markup

from stack.demo.pictures import paired_columns, stacked_bars, time_line

PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>tuopin 演示报告</title>
<style>
body{font-family:"Noto Sans SC","Source Han Sans SC","PingFang SC","Microsoft YaHei",sans-serif;
max-width:60rem;margin:0 auto;padding:1rem;color:#263238;line-height:1.6}
.practice{background:#b71c1c;color:#fff;padding:.4rem 1rem;font-weight:bold;text-align:center}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
th,td{border:1px solid #cfd8dc;padding:.3rem .6rem;text-align:left;vertical-align:top}
th{background:#eceff1}td.n{text-align:right;font-variant-numeric:tabular-nums}svg{width:100%;height:auto}
.reasons li.failed{color:#b71c1c}.reasons li.unknown{color:#e65100}
@media print{.practice{position:static}}
</style></head><body>
<p class="practice">演练 practice</p>
<h1>一个县走完一圈 <small>One county goes round the loop</small></h1>
<p>{{ intro }}</p>
{% for picture in pictures %}<h2>{{ picture.0 }}</h2>{{ picture.1 }}{% endfor %}
<h2>步骤 Steps</h2>
{% for step in steps %}
<h3>{{ loop.index }}. {{ step.title }} <small>{{ "%.1f"|format(step.seconds) }} s</small></h3>
<table>{% for name, value in step.figures.items() %}
<tr><td>{{ name }}</td><td class="n">{{ value }}</td></tr>{% endfor %}</table>
{% endfor %}
<h2>三户的理由 Three households' reasons</h2>
{% for household in households %}
<h3>{{ household.number }} {{ household.title }}</h3>
<table><tr><th>兑付前 before</th><th>2019-10-15</th></tr><tr>
{% for sentences in (household.before, household.after) %}<td><ul class="reasons">
{% for kind, sentence in sentences %}<li class="{{ kind }}">{{ sentence }}</li>{% endfor %}</ul></td>{% endfor %}
</tr></table>
{% endfor %}
<h2>核对 Comparison</h2>
<table><tr><th>数 figure</th><th>答案 expected</th><th>读回 read back</th><th></th></tr>
{% for row in comparison %}<tr><td>{{ row.0 }}</td><td class="n">{{ row.1 }}</td><td class="n">{{ row.2 }}</td>
<td>{{ "✓" if row.1 == row.2 else "✗" }}</td></tr>{% endfor %}</table>
</body></html>
"""


@dataclass
class Step:
    """One step of the story: what it is called, how long it took, which figures it gave."""

    title: str
    seconds: float
    figures: dict[str, object]


@dataclass
class Household:
    """One household's reasons before and after, as (kind, sentence)."""

    number: str
    title: str
    before: Sequence[tuple[str, str]]
    after: Sequence[tuple[str, str]]


@dataclass
class Report:
    """All that the page shows."""

    intro: str
    steps: list[Step] = field(default_factory=list)
    households: list[Household] = field(default_factory=list)
    moments: list[tuple[str, str]] = field(default_factory=list)
    comparison: list[tuple[str, object, object]] = field(default_factory=list)
    verdicts_by_township: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    incomes: tuple[Sequence[str], Sequence[int], Sequence[int]] = ((), (), ())

    def write(self, path: Path) -> None:
        """Write the page, whole."""
        environment = jinja2.Environment(autoescape=True, trim_blocks=True)
        page = environment.from_string(PAGE).render(
            intro=self.intro,
            pictures=self._pictures(),
            steps=self.steps,
            households=self.households,
            comparison=self.comparison,
        )
        fresh = path.with_suffix(".new")
        fresh.write_text(page, encoding="utf-8")
        fresh.replace(path)

    def _pictures(self) -> list[tuple[str, Markup]]:
        pictures = [
            (f"各乡镇{title} by township", Markup(stacked_bars(rows, title)))
            for title, rows in self.verdicts_by_township.items()
        ]
        if self.incomes[0]:
            title = "收入与扶贫标准之差（元，部分成员户）income above or below the line, yuan, some member households"
            pictures.append((title, Markup(paired_columns(*self.incomes, title))))
        pictures.append(("时间线 time line", Markup(time_line(self.moments, "time line"))))
        return pictures
