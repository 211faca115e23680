"""From the text of a cell to the value of its field: one reader per kind, a whole column at a time.

A reader answers the typed column and where the text could not be read; that is never turned into a blank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from services.registry.domain.codes import CodeList, text_key
from services.registry.domain.fields import Field, Kind
from services.registry.forms.wordings import choices_of, code_sources, source_codes

BLANK_SIGNS = ("-", "—", "——", "－", "/", "／", "\\", "无数据", "NULL", "null")
_LARGEST = 10**12
_BETWEEN = r"[、,，;；|/+\s]+"
_PLAIN_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_DATE = (
    r"^([0-9]{4})\s*[-/.年]\s*([0-9]{1,2})\s*[-/.月]\s*([0-9]{1,2})\s*日?"
    r"(?:[ T]+0{1,2}:00(?::00(?:\.0+)?)?)?$"
)
_SERIAL = r"^([1-6][0-9]{4})(?:\.0+)?$"
_FIRST_DAY = date(1899, 12, 30)  # of a spreadsheet's count of days
_WRAPPED = r'^=\s*"([^"]*)"$'
_MONTH = r"^([0-9]{4})[-/.年]([0-9]{1,2})月?$"


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why the cells of a column cannot be read."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column as read: its values, and which cells are wrong for which reason."""

    values: pl.Series
    wrong: tuple[tuple[pl.Series, Wrong], ...] = ()


Reader = Callable[[Field, pl.Series], Column]

_TOO_LONG = Wrong("cell.too_long", "内容过长", "the text is too long")
_FORMULA = Wrong("cell.formula", "单元格是公式，请粘贴为数值", "the cell is a formula; paste its value")
_CONTROL = Wrong("cell.control", "含有不可见的控制字符", "has control characters")
_MASKED = Wrong(
    "cell.masked", "内容已脱敏（含*号），脱敏的名单不能导入", "it is masked (*); a masked list is no form to hand in"
)
LARGEST_TEXT = 200
FORCED_TEXT = r"^'([=+\-@])"
UNSEEN = r"[\x00-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
"""Characters that nobody sees: control characters, and those that turn the order of others round."""


def tidy(raw: pl.Series) -> pl.Series:
    """Outer blanks gone, and the `="…"` that only keeps a text a text; empty cells and strokes become null."""
    stripped = raw.str.strip_chars()
    if bool(stripped.str.starts_with("=").any()):
        kept = stripped.str.extract(_WRAPPED)
        stripped = pl.select(pl.coalesce(kept.str.strip_chars(), stripped)).to_series().alias(raw.name)
    blank = (stripped == "") | stripped.is_in(BLANK_SIGNS)
    return _masked(stripped, ~blank)


def half_width(text: pl.Series) -> pl.Series:
    """Full-width signs to half width, only where there are any (most columns are plain)."""
    plain = (text.str.len_bytes() == text.str.len_chars()).all()
    return text if plain else text.str.normalize("NFKC").str.strip_chars()


def _masked(values: pl.Series, keep: pl.Series) -> pl.Series:
    """Null where not kept."""
    return pl.select(pl.when(keep).then(values).otherwise(None).alias(values.name)).to_series()


def _unread(text: pl.Series, values: pl.Series) -> pl.Series:
    return text.is_not_null() & values.is_null()


def read_text(field: Field, text: pl.Series) -> Column:
    """Words as they stand, composed (NFC), line ends as blanks; an apostrophe that keeps a text from being a formula is
    none of its characters.
    """
    composed = text.str.normalize("NFC").str.replace_all(r"[\r\n\t]+", " ")
    if bool(composed.str.starts_with("'").any()):
        composed = composed.str.replace(FORCED_TEXT, "$1")
    control = composed.str.contains(UNSEEN).fill_null(False)
    long = (composed.str.len_chars() > LARGEST_TEXT).fill_null(False)
    column = Column(_masked(composed, ~(control | long)), ((control, _CONTROL), (long, _TOO_LONG)))
    return _without_stars(column) if field.kind is Kind.NAME else column


def _without_stars(column: Column) -> Column:
    """A name or number of a masked list would be recorded as another person's."""
    starred = column.values.str.contains("*", literal=True).fill_null(False)
    if not bool(starred.any()):
        return column
    return Column(_masked(column.values, ~starred), (*column.wrong, (starred, _MASKED)))


def read_digits(field: Field, text: pl.Series) -> Column:
    """Digits alone, so many as the field has; an apostrophe that forced text is dropped."""
    least, most = field.digits
    digits = half_width(text).str.strip_prefix("'")
    good = digits.str.contains(rf"^[0-9]{{{least},{most}}}$")
    shape = str(least) if least == most else f"{least}–{most}"
    wrong = Wrong("digits.wrong", f"应为{shape}位数字", f"must be {shape} digits")
    values = _masked(digits, good)
    return Column(values, ((_unread(text, values), wrong),))


def read_division(field: Field, text: pl.Series) -> Column:
    """A village's twelve digits."""
    digits = half_width(text).str.strip_prefix("'")
    good = digits.str.contains(r"^[1-9][0-9]{11}$") & ~digits.str.ends_with("000")
    values = _masked(digits, good).cast(pl.Int64)
    wrong = Wrong("division.not_village", "应为12位村级区划代码", "must be the twelve digits of a village")
    return Column(values, ((_unread(text, values), wrong),))


def read_date(field: Field, text: pl.Series) -> Column:
    """The spellings that clerks use; a month alone means its first day, except for a birth date."""
    if field.name == "birth_on":
        return _read_birth(field, text)
    return _read_day(field, text)


def _read_birth(field: Field, text: pl.Series) -> Column:
    """A month is no day: whoever has the number may look it up there (`reading`), nobody takes the first for it."""
    column = _read_day(field, text)
    spelled = half_width(text)
    month = _unread(text, column.values) & (
        spelled.str.contains(_MONTH) | spelled.str.contains(r"^(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])$")
    ).fill_null(False)
    if not bool(month.any()):
        return column
    return Column(column.values, ((month, NO_DAY), (_unread(text, column.values) & ~month, _NO_DATE)))


def months_of(text: pl.Series) -> pl.Series:
    """Year and month of a birth date without its day, as six digits."""
    spelled = half_width(tidy(text))
    parts = [spelled.str.extract(_MONTH, place).str.zfill(2) for place in (1, 2)]
    together = pl.DataFrame({"y": parts[0], "m": parts[1], "d": spelled.str.extract(r"^([0-9]{6})$")})
    return together.select(pl.coalesce(pl.concat_str("y", "m"), "d")).to_series()


NO_DAY = Wrong("date.unreadable", "只有年月，缺少日", "the day is missing")


def _read_day(field: Field, text: pl.Series) -> Column:
    plain = text.str.contains(_PLAIN_DATE)
    spelled = text if bool(plain.all()) else _spelled(half_width(text), with_months=field.name != "birth_on")
    values = spelled.str.to_date("%Y-%m-%d", strict=False)
    values = _masked(values, values.dt.year().is_between(1900, 2200))
    lost = half_width(text).str.contains(_LOST_ZERO).fill_null(False) & (field.name != "birth_on")
    if bool(lost.any()):
        wrong = Wrong(
            "date.month_lost", "1月或10月不能分辨（数字格式去掉了末尾的0）", "January or October: a zero is lost"
        )
        return Column(_masked(values, ~lost), ((lost, wrong), (_unread(text, values), _NO_DATE)))
    return Column(values, ((_unread(text, values), _NO_DATE),))


_NO_DATE = Wrong("date.unreadable", "日期无法识别或不存在", "the date cannot be read or does not exist")
_LOST_ZERO = r"^[0-9]{4}\.1$"


def _spelled(text: pl.Series, *, with_months: bool) -> pl.Series:
    """Any accepted spelling as year-month-day."""
    digits = pl.col("t").str.extract(r"^([0-9]{8})(?:\.0)?$")
    serial = pl.lit(_FIRST_DAY) + pl.duration(days=pl.col("t").str.extract(_SERIAL).cast(pl.Int32, strict=False))
    month_digits = pl.col("t").str.extract(r"^([0-9]{6})$")
    parts = [pl.col("t").str.extract(_DATE, place).str.zfill(2) for place in (1, 2, 3)]
    months = [pl.col("t").str.extract(_MONTH, place).str.zfill(2) for place in (1, 2)]
    readings = [
        pl.concat_str(parts, separator="-"),
        pl.concat_str([digits.str.slice(0, 4), digits.str.slice(4, 2), digits.str.slice(6, 2)], separator="-"),
        serial.dt.strftime("%Y-%m-%d"),
    ]
    if with_months:
        first = pl.lit("01")
        readings.append(pl.concat_str([*months, first], separator="-"))
        readings.append(
            pl.concat_str([month_digits.str.slice(0, 4), month_digits.str.slice(4, 2), first], separator="-")
        )
    return pl.DataFrame({"t": text}).select(pl.coalesce(readings)).to_series()


def _number(field: Field, text: pl.Series) -> pl.Series:
    """The decimal number of a text with or without its unit and thousands commas; null if it is none."""
    plain = half_width(text).str.replace_all(r"[,，\s¥￥]", "")
    if field.unit is not None:
        plain = plain.str.replace(rf"(?:{_unit_pattern(field.unit)})$", "")
    return _masked(plain, plain.str.contains(r"^[+-]?[0-9]{1,13}(?:\.[0-9]*)?$")).str.to_decimal(scale=6)


def _unit_pattern(unit: str) -> str:
    spellings = {"平方米": "平方米|平米|㎡|m2|m²", "月": "个月|月", "人": "人|口|口人", "元": "元整|元|块"}
    return spellings.get(unit, unit)


def _hundredths(field: Field, text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Whole hundredths, and where there are more than two decimals (binary noise beyond the sixth is none)."""
    number = _number(field, _expanded(text))
    scaled = number * 100
    whole = scaled.cast(pl.Int64, strict=False)
    fine = (scaled != whole.cast(pl.Decimal(38, 6))).fill_null(False)
    large = (whole.abs() > _LARGEST * 100).fill_null(False)
    return _masked(whole, ~(fine | large)), fine


def _expanded(text: pl.Series) -> pl.Series:
    """`1.2万元` as 12000: exact, by moving the point."""
    if not bool(text.str.contains("万", literal=True).any()):
        return text
    number = text.str.extract(r"^\s*([0-9.,]+)\s*万元?\s*$").str.replace_all(",", "").str.to_decimal(scale=6)
    return pl.select(pl.when(number.is_not_null()).then((number * 10_000).cast(pl.String)).otherwise(text)).to_series()


_FINE = Wrong("number.decimals", "最多两位小数", "has more than two decimals")


def read_money(field: Field, text: pl.Series) -> Column:
    """Yuan in words to whole fen."""
    fen, fine = _hundredths(field, text)
    values, outside = _in_range(field, fen, 100)
    wrong = Wrong("money.unreadable", "金额无法识别，应为元", "the amount cannot be read; yuan expected")
    return Column(values, ((fine, _FINE), (outside, _range(field)), (_unread(text, fen) & ~fine, wrong)))


def read_area(field: Field, text: pl.Series) -> Column:
    """An area with two decimals."""
    hundredths, fine = _hundredths(field, text)
    kept, outside = _in_range(field, hundredths, 100)
    values = (kept.cast(pl.Decimal(38, 2)) / 100).cast(pl.Decimal(12, 2))
    wrong = Wrong("number.unreadable", "数值无法识别", "the number cannot be read")
    return Column(values, ((fine, _FINE), (outside, _range(field)), (_unread(text, hundredths) & ~fine, wrong)))


def read_whole(field: Field, text: pl.Series) -> Column:
    """A whole number; `3.0` is 3."""
    number = _number(field, text)
    whole = number.cast(pl.Int64, strict=False)
    exact = _masked(whole, number == whole.cast(pl.Decimal(38, 6)))
    exact = _masked(exact, exact.abs() < 1_000_000)
    values, outside = _in_range(field, exact, 1)
    wrong = Wrong("number.unreadable", "应为整数", "must be a whole number")
    return Column(values.cast(pl.Int32), ((outside, _range(field)), (_unread(text, exact), wrong)))


def _in_range(field: Field, values: pl.Series, scale: int) -> tuple[pl.Series, pl.Series]:
    outside = pl.repeat(False, len(values), dtype=pl.Boolean, eager=True)
    if field.minimum is not None:
        outside |= (values < field.minimum * scale).fill_null(False)
    if field.maximum is not None:
        outside |= (values > field.maximum * scale).fill_null(False)
    return _masked(values, ~outside), outside


def _range(field: Field) -> Wrong:
    least = "…" if field.minimum is None else str(field.minimum)
    most = "…" if field.maximum is None else str(field.maximum)
    return Wrong("number.range", f"超出范围（{least}至{most}）", f"out of range ({least} to {most})")


def _mapped(text: pl.Series, read: Callable[[str], str | None]) -> pl.Series:
    """Each distinct text read once."""
    distinct = text.drop_nulls().unique()
    meanings = [read(one) for one in distinct.to_list()]
    known = {one: meaning for one, meaning in zip(distinct.to_list(), meanings, strict=True) if meaning is not None}
    if not known:
        return pl.repeat(None, len(text), dtype=pl.String, eager=True)
    return text.replace_strict(list(known), list(known.values()), default=None, return_dtype=pl.String)


def read_code(field: Field, text: pl.Series) -> Column:
    """The canonical code of a text of the form, of another system's wording, or of the code itself.

    Digits that systems use for opposite things are asked about: 2 is 长期慢性病 here and 体弱多病 there.
    """
    codes = _codes(field)
    values = _mapped(text, codes.read)
    unread = _unread(text, values)
    if field.name not in source_codes() or not bool(unread.any()):
        return Column(values, ((unread, _unknown_code(codes)),))
    digits = unread & half_width(text).str.contains(DIGITS_ALONE).fill_null(False)
    asked = sorted({_plain_digits(one) for one in half_width(text).filter(digits).to_list()})
    return Column(values, ((digits, _asked(field, asked)), (unread & ~digits, _unknown_code(codes))))


DIGITS_ALONE = r"^[0-9]{1,2}(?:\.0)?$"


def _plain_digits(text: str) -> str:
    return text.removesuffix(".0").lstrip("0") or "0"


def translated(text: pl.Series, meanings: Mapping[str, str]) -> pl.Series:
    """Digits as the words or codes that the file's heading or its source has for them."""
    return _mapped(text, lambda cell: meanings.get(_plain_digits(cell.strip()), cell))


def _asked(field: Field, values: list[str]) -> Wrong:
    known = source_codes()[field.name]
    told = [value for value in values if value in known]
    meaning = choices_of(field.name, told) if told else "、".join(values)
    return Wrong(
        "code.ambiguous",
        f"数字代码的含义因系统而异（{meaning}），不能猜测：请注明来源系统，或改填文字",
        f"digits mean different things in different systems ({', '.join(values)}): name the source system"
        f" ({', '.join(code_sources())}) or write words",
    )


def read_yes_no(field: Field, text: pl.Series) -> Column:
    """yes, no or refused; `不详` is what is not known."""
    column = read_code(field, text)
    return Column(_masked(column.values, column.values != "unknown"), column.wrong)


def read_presence(field: Field, text: pl.Series) -> Column:
    """在户 as true."""
    column = read_code(field, text)
    return Column(column.values == "present", column.wrong)


def read_codes(field: Field, text: pl.Series) -> Column:
    """Several codes of one cell, sorted and joined by `|`; one unknown part makes the cell unreadable."""
    codes = _codes(field)

    def read(cell: str) -> str | None:
        whole = codes.read(cell)
        if whole is not None:
            return whole
        found = [codes.read(part) for part in _parts(cell)]
        known = [code for code in found if code is not None]
        return "|".join(sorted(set(known), key=codes.names.index)) if len(known) == len(found) and known else None

    values = _mapped(text, read)
    return Column(values, ((_unread(text, values), _unknown_code(codes)),))


def _parts(cell: str) -> list[str]:
    plain = cell
    for sign in "，;；、|/+\n\t ":
        plain = plain.replace(sign, ",")
    return [part for part in plain.split(",") if text_key(part)]


def _codes(field: Field) -> CodeList:
    assert field.codes is not None, field.name
    return field.codes


def _unknown_code(codes: CodeList) -> Wrong:
    some = "、".join(code.zh for code in codes.codes[:6]) + ("…" if len(codes.codes) > 6 else "")
    english = ", ".join(code.en for code in codes.codes[:6]) + (", …" if len(codes.codes) > 6 else "")
    return Wrong(
        "code.unknown", f"不是“{codes.zh}”的规定值，应为：{some}", f"is no value of the list; expected: {english}"
    )


def read_number_text(field: Field, text: pl.Series) -> Column:
    """Id number, card, telephone: half width, no blanks, upper case, without the apostrophe that forced text."""
    plain = half_width(text).str.replace_all(r"[\s'‘’`]", "").str.to_uppercase()
    if field.kind is Kind.PHONE:
        plain = plain.str.replace_all("-", "", literal=True)
    long = (plain.str.len_chars() > 40).fill_null(False)
    control = plain.str.contains(UNSEEN).fill_null(False)
    return _without_stars(Column(_masked(plain, ~(control | long)), ((control, _CONTROL), (long, _TOO_LONG))))


READERS: dict[Kind, Reader] = {
    Kind.TEXT: read_text,
    Kind.NAME: read_text,
    Kind.DIGITS: read_digits,
    Kind.DIVISION: read_division,
    Kind.DATE: read_date,
    Kind.WHOLE: read_whole,
    Kind.AREA: read_area,
    Kind.MONEY: read_money,
    Kind.CODE: read_code,
    Kind.CODES: read_codes,
    Kind.YES_NO: read_yes_no,
    Kind.PRESENCE: read_presence,
    Kind.CITIZEN_ID: read_number_text,
    Kind.CARD: read_number_text,
    Kind.PHONE: read_number_text,
}


def read_column(field: Field, raw: pl.Series) -> Column:
    """The typed column of a field; a text that begins with `=` is a formula and no value."""
    text = tidy(raw)
    formula = text.str.starts_with("=").fill_null(False)
    if bool(formula.any()):
        column = READERS[field.kind](field, _masked(text, ~formula))
        return Column(column.values, ((formula, _FORMULA), *column.wrong))
    return READERS[field.kind](field, text)
