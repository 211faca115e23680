"""Identity: I1–I4, I10, I18 of the rule catalogue (domain §8.3)."""

from __future__ import annotations

import polars as pl

from services.registry.checks.findings import found
from services.registry.domain.inspection import Check, Frames
from services.registry.domain.numbers import births, checksum_holds, sexes

MALE_RELATIONS = (
    "son", "son_in_law", "grandson", "daughters_son", "father", "wifes_father", "husbands_father", "grandfather",
    "mothers_father", "uncle", "nephew",
)  # fmt: skip
FEMALE_RELATIONS = (
    "daughter", "daughter_in_law", "granddaughter", "daughters_daughter", "mother", "wifes_mother", "husbands_mother",
    "grandmother", "mothers_mother", "siblings_wife", "niece",
)  # fmt: skip


def number_repeated(frames: Frames) -> pl.DataFrame:
    """The same id number in two households of the file."""
    known = frames.persons.filter(pl.col("id_number").is_not_null())
    twice = known.filter(pl.col("household").n_unique().over("id_number") > 1)
    return found(twice, "id_number", "证件号码与另一户成员相同", "the id number also stands in another household")


def length_wrong(frames: Frames) -> pl.DataFrame:
    """An id number of another length than 18, or 20 and 22 of a disability card; one of 15 has a check of its own."""
    length = pl.col("id_number").str.len_chars()
    wrong = frames.persons.filter(~length.is_in([15, 18, 20, 22]))
    return found(
        wrong,
        "id_number",
        pl.format("证件号码应为18位（残疾人证20或22位），实为{}位", length),
        pl.format("an id number has 18 characters (a disability card 20 or 22), this one {}", length),
    )


def checksum_wrong(frames: Frames) -> pl.DataFrame:
    """Eighteen characters whose last does not fit the others."""
    holds = checksum_holds(frames.persons["id_number"]).fill_null(True)
    wrong = frames.persons.filter((pl.col("id_number").str.len_chars() == 18) & ~holds)
    return found(wrong, "id_number", "证件号码校验码不符", "the id number's check character does not fit")


def card_wrong(frames: Frames) -> pl.DataFrame:
    """A disability card whose length, citizen id, class or level cannot be."""
    card = pl.col("disability_card")
    formed = card.str.contains(r"^[0-9]{17}[0-9X][1-7][1-4](?:[0-9A-Z]{2})?$")
    holds = checksum_holds(frames.persons["disability_card"]).fill_null(False)
    wrong = frames.persons.filter(card.is_not_null() & ~(formed & holds))
    return found(
        wrong,
        "disability_card",
        "残疾人证号应为18位身份证号加类别（1至7）、等级（1至4）",
        "a disability card is the citizen id with class (1 to 7) and level (1 to 4)",
    )


def relation_against_sex(frames: Frames) -> pl.DataFrame:
    """A son who is female, a mother who is male."""
    relation, sex = pl.col("relation"), pl.col("sex")
    wrong = frames.persons.filter(
        (relation.is_in(MALE_RELATIONS) & (sex == "female")) | (relation.is_in(FEMALE_RELATIONS) & (sex == "male"))
    )
    return found(wrong, "relation", "与户主关系和性别矛盾", "relation to the head and sex contradict one another")


def number_against_person(frames: Frames) -> pl.DataFrame:
    """Birth date or sex other than the (valid) id number says."""
    valid = frames.persons.filter(checksum_holds(frames.persons["id_number"]).fill_null(False))
    born = valid.filter(births(valid["id_number"]) != pl.col("birth_on"))
    sexed = valid.filter(sexes(valid["id_number"]) != pl.col("sex"))
    return pl.concat(
        [
            found(born, "birth_on", "出生日期与证件号码不符", "the birth date is not the one in the id number"),
            found(sexed, "sex", "性别与证件号码不符", "the sex is not the one in the id number"),
        ]
    )


def number_of_old_form(frames: Frames) -> pl.DataFrame:
    """An id number of the first generation, which has to be upgraded."""
    old = frames.persons.filter(pl.col("id_number").str.len_chars() == 15)
    return found(old, "id_number", "15位证件号码待升级为18位", "an id number of 15 digits, to be upgraded to 18")


def number_made_up(frames: Frames) -> pl.DataFrame:
    """The placeholder that systems take for somebody without a number."""
    made_up = frames.persons.filter(pl.col("id_number").str.starts_with("999999"))
    return found(made_up, "id_number", "证件号码为999999开头的虚拟号码", "a placeholder number that begins with 999999")


def couple_of_one_sex(frames: Frames) -> pl.DataFrame:
    """Head and spouse entered with the same sex."""
    head, spouse = (
        frames.persons.filter(pl.col("relation") == part).select("household", pl.col("sex").alias(part))
        for part in ("head", "spouse")
    )
    same = head.join(spouse, on="household").filter(pl.col("head") == pl.col("spouse"))
    wrong = frames.households.join(same.select("household").unique(), on="household", how="semi")
    return found(wrong, "relation", "户主与配偶性别相同", "head and spouse have the same sex")


def phone_wrong(frames: Frames) -> pl.DataFrame:
    """A telephone that cannot be a mobile number; a head without any."""
    phone = pl.col("phone")
    malformed = frames.persons.filter(~phone.str.contains(r"^1[3-9][0-9]{9}$"))
    absent = frames.persons.filter((pl.col("relation") == "head") & phone.is_null())
    return pl.concat(
        [
            found(malformed, "phone", "联系电话不是11位手机号码", "the telephone is no mobile number of 11 digits"),
            found(absent, "phone", "户主未填联系电话", "the head has no telephone"),
        ]
    )


def person_incomplete(frames: Frames) -> pl.DataFrame:
    """Ethnicity, health or labour not filled in."""
    asked = [name for name in ("ethnicity", "health", "labour") if name in frames.fields]
    empty = [
        found(frames.persons.filter(pl.col(name).is_null()), name, "必填信息未填", "not filled in") for name in asked
    ]
    return pl.concat(empty)


IDENTITY: tuple[Check, ...] = (
    Check(
        "I1",
        "doubt",
        "证件号码是否与他户成员重复？",
        "Does the id number also stand in another household?",
        ("id_number",),
        number_repeated,
    ),
    Check("I2", "doubt", "证件号码位数是否正确？", "Has the id number the right length?", ("id_number",), length_wrong),
    Check("I3", "doubt", "证件号码校验码是否正确？", "Does the id number's check fit?", ("id_number",), checksum_wrong),
    Check(
        "I4", "doubt", "残疾人证号是否正确？", "Is the disability card well-formed?", ("disability_card",), card_wrong
    ),
    Check(
        "I10",
        "doubt",
        "与户主关系和性别是否一致？",
        "Do relation and sex agree?",
        ("relation", "sex"),
        relation_against_sex,
    ),
    Check(
        "I18",
        "doubt",
        "出生日期、性别与证件号码是否一致？",
        "Do birth date and sex agree with the id number?",
        ("birth_on", "sex", "id_number"),
        number_against_person,
    ),
    Check(
        "I5",
        "doubt",
        "证件号码是否为待升级的15位号码？",
        "Is the id number one of 15 digits?",
        ("id_number",),
        number_of_old_form,
    ),
    Check(
        "I6",
        "doubt",
        "证件号码是否为虚拟号码？",
        "Is the id number a placeholder?",
        ("id_number",),
        number_made_up,
    ),
    Check(
        "I11",
        "doubt",
        "户主与配偶性别是否相同？",
        "Have head and spouse the same sex?",
        ("relation", "sex"),
        couple_of_one_sex,
        about="household",
    ),
    Check(
        "I14",
        "doubt",
        "联系电话是否填写正确？",
        "Is the telephone there and well-formed?",
        ("phone", "relation"),
        phone_wrong,
    ),
    Check(
        "I17",
        "doubt",
        "民族、健康状况、劳动技能是否填写？",
        "Are ethnicity, health and labour filled in?",
        ("ethnicity", "health", "labour"),
        person_incomplete,
        in_parts=True,
    ),
)
