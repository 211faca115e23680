"""The field catalogue: every field of the register once. Form, file, table, API and facts are checked against it.

One entry says what a field is called (in code and on the form), what it may hold, how private it is, where it is stored
and on which topic it travels. Names are those of `shared.events.registry`; what travels on none never leaves registry.
Adding a field: a line here, a column in `tables.py` with its migration; reading and checking follow by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any

from services.registry.domain import codes
from services.registry.domain.codes import CodeList, text_key


class Kind(StrEnum):
    """字段类型: how a cell is read and how a column is typed."""

    TEXT = "text"  # text
    NAME = "name"  # text, NFC, may lie beyond the BMP
    DIGITS = "digits"  # text of digits alone
    DIVISION = "division"  # bigint, twelve digits
    DATE = "date"  # date
    WHOLE = "whole"  # integer
    AREA = "area"  # numeric(10,2)
    MONEY = "money"  # bigint, whole fen
    CODE = "code"  # text, one of `codes`
    CODES = "codes"  # text[], several of `codes`
    YES_NO = "yes_no"  # text: yes, no, refused; null = unknown
    PRESENCE = "presence"  # boolean
    CITIZEN_ID = "citizen_id"  # sealed
    CARD = "card"  # sealed
    PHONE = "phone"  # sealed


class Level(StrEnum):
    """字段层级: what a field describes."""

    HOUSEHOLD = "household"
    LIVING = "living"
    PERSON = "person"
    INCOME = "income"


class Privacy(StrEnum):
    """敏感级别: plain may be counted openly, personal points to a household, sensitive is PIPL article 28.

    Identifying fields (names, numbers, telephones) never travel.
    """

    PLAIN = "plain"
    PERSONAL = "personal"
    SENSITIVE = "sensitive"
    IDENTIFYING = "identifying"


class Topic(StrEnum):
    """主题: on which of registry's topics a field travels."""

    HOUSEHOLD = "registry.household.state.v1"
    CIRCUMSTANCE = "registry.circumstance.state.v1"


SEALED_KINDS = frozenset({Kind.CITIZEN_ID, Kind.CARD, Kind.PHONE})


@dataclass(frozen=True, slots=True)
class Field:
    """字段: one field of the register.

    `table` is None when the cell is read but has no column of its own (`into` then names the field it becomes part of).
    `component` stands on income sub-items and declared totals alone.
    """

    name: str
    zh: str
    kind: Kind
    level: Level
    privacy: Privacy = Privacy.PLAIN
    headers: tuple[str, ...] = ()
    unit: str | None = None
    codes: CodeList | None = None
    table: str | None = None
    travels: tuple[Topic, ...] = ()
    required: bool = False
    minimum: int | None = None
    maximum: int | None = None
    component: str | None = None
    into: str | None = None
    digits: tuple[int, int] = (1, 40)
    valid_from: date | None = None
    valid_to: date | None = None

    @property
    def wordings(self) -> tuple[str, ...]:
        """Every header wording that means this field."""
        units = (f"{self.zh}（{self.unit}）",) if self.unit else ()
        return (self.zh, *units, *self.headers, self.name)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that store it: a sealed field has its cipher text and its blind index."""
        if self.table is None or self.table in ("income", "status"):
            return ()
        if self.kind in SEALED_KINDS:
            return (f"{self.name}_sealed", f"{self.name}_index")
        return (self.name,)

    @property
    def repeats(self) -> bool:
        """Whether the file gives it once a household, on the first row or on each."""
        return self.level is not Level.PERSON

    def valid_on(self, day: date) -> bool:
        """Whether the form had this field on that day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


_PLAIN, _PERSONAL, _SENSITIVE, _IDENTIFYING = Privacy.PLAIN, Privacy.PERSONAL, Privacy.SENSITIVE, Privacy.IDENTIFYING
_HOUSEHOLD_AND_CIRCUMSTANCE = (Topic.HOUSEHOLD, Topic.CIRCUMSTANCE)
_CIRCUMSTANCE = (Topic.CIRCUMSTANCE,)


def _household() -> tuple[Field, ...]:
    def field(name: str, zh: str, kind: Kind, *headers: str, **more: Any) -> Field:
        return Field(name, zh, kind, Level.HOUSEHOLD, headers=headers, **{"table": "household", **more})

    travel: dict[str, Any] = {"travels": _HOUSEHOLD_AND_CIRCUMSTANCE}
    return (
        field(
            "number",
            "户编号",
            Kind.DIGITS,
            "家庭编号",
            "户号",
            "户编码",
            "农户编号",
            "贫困户编号",
            privacy=_PERSONAL,
            required=True,
            digits=(16, 16),
            travels=(Topic.HOUSEHOLD,),
        ),
        field(
            "division",
            "行政村代码",
            Kind.DIVISION,
            "行政村编码",
            "村代码",
            "区划代码",
            "行政区划代码",
            "所在村代码",
            privacy=_PERSONAL,
            **travel,
        ),
        field(
            "group",
            "村民小组",
            Kind.TEXT,
            "组",
            "小组",
            "组名",
            "自然村",
            "自然村(组)",
            "自然村组",
            "所在小组",
            privacy=_PERSONAL,
            travels=(Topic.HOUSEHOLD,),
        ),
        field("province_name", "省", Kind.TEXT, "省(自治区、直辖市)", "省份", table=None),
        field("prefecture_name", "市", Kind.TEXT, "市(州)", "市(地、州、盟)", "地市", table=None),
        field("county_name", "县", Kind.TEXT, "县(市、区)", "县(市、区、旗)", "区县", table=None),
        field("township_name", "乡", Kind.TEXT, "乡(镇)", "乡镇", "乡镇(街道)", table=None),
        field("village_name", "行政村", Kind.TEXT, "村", "村名", "行政村(社区)", table=None),
        field("registered_on", "建档日期", Kind.DATE, "建档时间", "建档立卡时间", "登记日期", "录入日期"),
        field(
            "statuses",
            "户类型",
            Kind.CODES,
            "户属性",
            "农户类型",
            "家庭类型",
            "贫困户属性",
            "户状态",
            "脱贫属性",
            codes=codes.STATUS,
            table="status",
            **travel,
        ),
        field(
            "poor_since", "识别时间", Kind.DATE, "贫困户识别时间", "识别日期", table="status", into="statuses", **travel
        ),
        field("lifted_since", "脱贫时间", Kind.DATE, "脱贫日期", table="status", into="statuses", **travel),
        field(
            "monitored_since",
            "监测对象识别时间",
            Kind.DATE,
            "监测识别时间",
            "纳入监测时间",
            table="status",
            into="statuses",
            **travel,
        ),
        field(
            "minimum_living_since",
            "低保起始时间",
            Kind.DATE,
            "低保开始时间",
            "纳入低保时间",
            table="status",
            into="statuses",
            **travel,
        ),
        field(
            "special_hardship_since",
            "特困供养起始时间",
            Kind.DATE,
            "特困起始时间",
            "纳入特困时间",
            table="status",
            into="statuses",
            **travel,
        ),
        field("ordinary_since", "一般农户起始时间", Kind.DATE, table="status", into="statuses", **travel),
        field(
            "main_cause",
            "主要致贫原因",
            Kind.CODE,
            "致贫原因",
            "主要致(返)贫原因",
            "主要原因",
            codes=codes.CAUSE,
            privacy=_SENSITIVE,
            travels=_CIRCUMSTANCE,
        ),
        field(
            "other_causes",
            "其他致贫原因",
            Kind.CODES,
            "其他致(返)贫原因",
            "次要致贫原因",
            "其他原因",
            codes=codes.CAUSE,
            privacy=_SENSITIVE,
            travels=_CIRCUMSTANCE,
        ),
        field(
            "headcount_on_form",
            "家庭人口数",
            Kind.WHOLE,
            "家庭人口",
            "家庭人数",
            "户人口数",
            "人口数",
            "年末家庭人口数",
            unit="人",
            minimum=0,
            maximum=40,
            travels=_CIRCUMSTANCE,
        ),
    )


def _living() -> tuple[Field, ...]:
    def field(name: str, zh: str, kind: Kind, *headers: str, **more: Any) -> Field:
        given: dict[str, Any] = {"table": "household", "privacy": _PERSONAL, "travels": _CIRCUMSTANCE, **more}
        return Field(name, zh, kind, Level.LIVING, headers=headers, **given)

    def land(name: str, zh: str, *headers: str) -> Field:
        return field(name, zh, Kind.AREA, *headers, unit="亩", minimum=0, maximum=10_000, travels=())

    yes_no = codes.YES_NO
    return (
        field("food_assured", "是否不愁吃", Kind.YES_NO, "不愁吃", "吃不愁", "是否吃不愁", codes=yes_no),
        field("clothing_assured", "是否不愁穿", Kind.YES_NO, "不愁穿", "穿不愁", "是否穿不愁", codes=yes_no),
        field(
            "housing_level",
            "住房安全等级",
            Kind.CODE,
            "危房等级",
            "住房等级",
            "房屋安全等级",
            "住房危险等级",
            codes=codes.HOUSING_LEVEL,
        ),
        field(
            "housing_area_m2", "住房面积", Kind.AREA, "住房建筑面积", "房屋面积", unit="平方米", minimum=0, maximum=5000
        ),
        field(
            "water_safe",
            "是否解决安全饮用水",
            Kind.YES_NO,
            "饮水安全",
            "饮水是否安全",
            "是否饮水安全",
            "安全饮水",
            codes=yes_no,
        ),
        field("road", "入户路类型", Kind.CODE, "入户路情况", "入户道路类型", codes=codes.ROAD),
        field("electricity", "是否通生活用电", Kind.YES_NO, "生活用电", "是否通电", "通电", codes=yes_no),
        field(
            "self_paid_medical_fen",
            "合规自付支出",
            Kind.MONEY,
            "合规自付医疗支出",
            "合规自付医疗费用",
            "医疗合规自付支出",
            unit="元",
            minimum=0,
            privacy=_SENSITIVE,
        ),
        field(
            "insurance_paid_fen",
            "理赔收入",
            Kind.MONEY,
            "保险理赔收入",
            "保险理赔金额",
            "保险赔付",
            unit="元",
            minimum=0,
            privacy=_SENSITIVE,
        ),
        field("disaster_kind", "灾害类型", Kind.CODE, "自然灾害类型", "受灾类型", codes=codes.DISASTER),
        field("disaster_on", "受灾日期", Kind.DATE, "受灾时间", "灾害发生时间", "灾害发生日期"),
        field("disaster_loss_fen", "受灾损失", Kind.MONEY, "灾害损失", "受灾损失金额", unit="元", minimum=0),
        land("arable_mu", "耕地面积", "耕地"),
        land("irrigated_mu", "有效灌溉面积", "有效灌溉", "有效灌溉耕地面积"),
        land("forest_mu", "林地面积", "林地"),
        land("returned_forest_mu", "退耕还林面积", "退耕还林"),
        land("orchard_mu", "林果面积", "林果"),
        land("pasture_mu", "牧草地面积", "牧草地"),
        land("water_mu", "水面面积", "水面", "水域面积"),
    )


def _person() -> tuple[Field, ...]:
    def field(name: str, zh: str, kind: Kind, *headers: str, **more: Any) -> Field:
        given: dict[str, Any] = {"table": "person", "privacy": _PERSONAL, **more}
        return Field(name, zh, kind, Level.PERSON, headers=headers, **given)

    travel: dict[str, Any] = {"travels": _CIRCUMSTANCE}
    health: dict[str, Any] = {"travels": _CIRCUMSTANCE, "privacy": _SENSITIVE}
    yes_no = codes.YES_NO
    return (
        field(
            "person_number",
            "人编号",
            Kind.DIGITS,
            "人员编号",
            "成员编号",
            "人编码",
            digits=(2, 20),
            privacy=_IDENTIFYING,
        ),
        field("name", "姓名", Kind.NAME, "成员姓名", "家庭成员姓名", "人员姓名", required=True, privacy=_IDENTIFYING),
        field("sex", "性别", Kind.CODE, codes=codes.SEX, **travel),
        field("birth_on", "出生日期", Kind.DATE, "出生年月日", "出生年月", privacy=_SENSITIVE, **travel),
        field("id_kind", "证件类型", Kind.CODE, "证件种类", codes=codes.ID_KIND),
        field(
            "id_number",
            "证件号码",
            Kind.CITIZEN_ID,
            "身份证号",
            "身份证号码",
            "公民身份号码",
            "证件号",
            "居民身份证号码",
            privacy=_IDENTIFYING,
        ),
        field(
            "relation",
            "与户主关系",
            Kind.CODE,
            "关系",
            "家庭关系",
            "与户主的关系",
            codes=codes.RELATION,
            table="membership",
            required=True,
            **travel,
        ),
        field("ethnicity", "民族", Kind.CODE, codes=codes.ETHNICITY, privacy=_SENSITIVE),
        field("political", "政治面貌", Kind.CODE, codes=codes.POLITICAL, privacy=_SENSITIVE),
        field(
            "schooling", "在校生状况", Kind.CODE, "在校状况", "在校生情况", "在校情况", codes=codes.SCHOOLING, **travel
        ),
        field("education", "文化程度", Kind.CODE, "受教育程度", "学历", codes=codes.EDUCATION, **travel),
        field("health", "健康状况", Kind.CODE, "身体状况", "健康情况", codes=codes.HEALTH, **health),
        field(
            "disability_card", "残疾证号", Kind.CARD, "残疾人证号", "残疾证号码", "残疾人证号码", privacy=_IDENTIFYING
        ),
        field("labour", "劳动技能", Kind.CODE, "劳动能力", "劳动力情况", "劳动力类型", codes=codes.LABOUR, **travel),
        field(
            "medical_cover",
            "参加医疗保险情况",
            Kind.CODE,
            "医疗保险",
            "基本医疗保险",
            "医保类型",
            "参加医疗保险",
            codes=codes.MEDICAL_COVER,
            **health,
        ),
        field(
            "resident_medical_cover",
            "是否参加城乡居民基本医疗保险",
            Kind.YES_NO,
            "是否参加城乡居民医保",
            "城乡居民医保",
            codes=yes_no,
            table=None,
            into="medical_cover",
            **health,
        ),
        field(
            "employee_medical_cover",
            "是否参加城镇职工基本医疗保险",
            Kind.YES_NO,
            "是否参加职工医保",
            "职工医保",
            codes=yes_no,
            table=None,
            into="medical_cover",
            **health,
        ),
        field(
            "serious_illness_cover", "是否参加大病保险", Kind.YES_NO, "大病保险", "参加大病保险", codes=yes_no, **health
        ),
        field(
            "pension_cover",
            "参加养老保险情况",
            Kind.CODE,
            "养老保险",
            "基本养老保险",
            "养老保险类型",
            codes=codes.PENSION_COVER,
            **travel,
        ),
        field(
            "resident_pension_cover",
            "是否参加城乡居民基本养老保险",
            Kind.YES_NO,
            "城乡居民养老保险",
            "居民养老",
            codes=yes_no,
            table=None,
            into="pension_cover",
            **travel,
        ),
        field(
            "employee_pension_cover",
            "是否参加城镇职工基本养老保险",
            Kind.YES_NO,
            "职工养老保险",
            "职工养老",
            codes=yes_no,
            table=None,
            into="pension_cover",
            **travel,
        ),
        field("workplace", "务工所在地", Kind.TEXT, "务工地点", "务工地", "务工地址", "务工区域"),
        field("work_months", "务工时间", Kind.WHOLE, "务工月数", "务工时长", "务工时间(月)", unit="月", **travel),
        field(
            "work_monthly_pay_fen",
            "务工月收入",
            Kind.MONEY,
            "月收入",
            "月工资",
            "务工月工资",
            unit="元",
            minimum=0,
            privacy=_SENSITIVE,
            **travel,
        ),
        field("job_lost_on", "失业日期", Kind.DATE, "失去工作日期", "停止务工日期", "务工中断日期", **travel),
        field("phone", "联系电话", Kind.PHONE, "手机号码", "电话", "手机号", "电话号码", privacy=_IDENTIFYING),
        field("present", "在户状态", Kind.PRESENCE, "是否在户", codes=codes.PRESENCE, **travel),
    )


INCOME_ITEMS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("A", "wage_work", "务工收入", ("外出务工收入", "工资性收入-务工")),
    ("A", "wage_department_post", "行业部门公益岗收入", ("行业部门公益岗", "行业部门公益岗位工资")),
    ("A", "wage_township_post", "乡镇公益岗收入", ("乡镇公益岗", "乡镇公益岗位工资")),
    ("A", "wage_village_post", "村级公益岗收入", ("村级公益岗", "村级公益岗位工资")),
    ("A", "wage_gathering", "自主采摘收入", ("自主采摘",)),
    ("B", "business_crops", "种植业收入", ("种植收入", "生产经营性收入-种植")),
    ("B", "business_livestock", "养殖业收入", ("养殖收入", "生产经营性收入-养殖")),
    ("B", "business_orchard", "林果业收入", ("林果收入", "生产经营性收入-林果")),
    ("B", "business_other", "其他生产经营性收入", ("其他经营收入", "生产经营性收入-其他")),
    ("C", "property_dividend", "资产收益分红", ("资产收益扶贫分红", "分红收入", "资产收益")),
    ("C", "property_land_transfer", "土地流转收入", ("土地流转", "土地流转租金")),
    ("C", "property_loan_project", "金融贷款项目收入", ("金融贷款项目", "小额信贷项目收益")),
    ("C", "property_entrusted_farming", "代种代养收入", ("代种代养",)),
    ("C", "property_other", "其他财产性收入", ("财产性收入-其他",)),
    ("D", "transfer_family_planning", "计划生育金", ("计生金", "计生奖励金")),
    ("D", "transfer_minimum_living", "低保金", ("最低生活保障金", "农村低保金")),
    ("D", "transfer_special_hardship", "特困供养金", ("五保金", "特困金")),
    ("D", "transfer_pension", "养老金", ("养老保险金", "基础养老金")),
    ("D", "transfer_returned_forest", "退耕还林补助", ("生态补偿-退耕还林", "退耕还林补贴")),
    ("D", "transfer_public_forest", "公益林补偿", ("生态补偿-公益林", "公益林补助")),
    ("D", "transfer_grassland", "草原奖补", ("生态补偿-草原奖补", "草原补助奖励")),
    ("D", "transfer_ecological_relocation", "生态移民补偿", ("生态补偿-移民", "移民补偿")),
    ("D", "transfer_ecological_other", "其他生态补偿金", ("生态补偿-其他", "生态补偿金")),
    ("D", "transfer_land_fertility", "耕地地力保护补贴", ("地力补贴", "耕地地力补贴")),
    ("D", "transfer_crop_subsidy", "玉米大豆生产者补贴", ("玉米大豆补贴", "生产者补贴")),
    ("D", "transfer_senior", "高龄补贴", ("高龄津贴",)),
    ("D", "transfer_entitled_group", "优抚金", ("优抚补助",)),
    ("D", "transfer_disability", "残疾人补贴", ("残疾补贴", "残疾人两项补贴")),
    ("D", "transfer_education", "教育补助", ("教育补贴", "雨露计划补助")),
    ("D", "transfer_disaster_relief", "救灾款", ("救灾补助",)),
    ("D", "transfer_incapacity", "失能补贴", ("失能护理补贴",)),
    ("D", "transfer_family_support", "赡养费", ("赡养收入",)),
    ("D", "transfer_heating", "取暖补贴", ("取暖费补贴",)),
    ("D", "transfer_price", "物价补贴", ("价格临时补贴",)),
    ("D", "transfer_relief", "救济金", ("临时救济金",)),
    ("D", "transfer_poverty_insurance", "防贫保险金", ("防贫保险",)),
    ("D", "transfer_donation", "经常性捐赠和赔偿", ("经常性捐赠", "捐赠和赔偿")),
    ("D", "transfer_other", "其他转移性收入", ("转移性收入-其他",)),
    ("E", "cost_crops", "种植业支出", ("种植支出", "生产经营性支出-种植")),
    ("E", "cost_livestock", "养殖业支出", ("养殖支出", "生产经营性支出-养殖")),
    ("E", "cost_orchard", "林果业支出", ("林果支出", "生产经营性支出-林果")),
    ("E", "cost_other", "其他生产经营性支出", ("其他经营支出", "生产经营性支出-其他")),
)  # 收入组成 A–E with their sub-items: what counts and when is decided by dated parameters in assessment, not here

_TOTALS = (
    ("declared_a_fen", "工资性收入", "A", ("工资性收入合计", "工资性收入小计", "A工资性收入")),
    ("declared_b_fen", "生产经营性收入", "B", ("生产经营性收入合计", "生产经营性收入小计", "B生产经营性收入")),
    ("declared_c_fen", "财产性收入", "C", ("财产性收入合计", "财产性收入小计", "C财产性收入")),
    ("declared_d_fen", "转移性收入", "D", ("转移性收入合计", "转移性收入小计", "D转移性收入")),
    ("declared_e_fen", "生产经营性支出", "E", ("生产经营性支出合计", "生产经营性支出小计", "E生产经营性支出")),
    ("declared_net_fen", "家庭纯收入", None, ("家庭年纯收入", "纯收入", "全年纯收入", "年纯收入")),
    ("declared_per_capita_fen", "人均纯收入", None, ("家庭人均纯收入", "年人均纯收入", "人均年纯收入")),
)


def _income() -> tuple[Field, ...]:
    sensitive: dict[str, Any] = {"level": Level.INCOME, "privacy": _SENSITIVE}
    years = (
        Field(
            "income_year_from",
            "收入年度起",
            Kind.DATE,
            headers=("收入周期起", "收入起始日期", "收入计算起始日期"),
            table="income",
            travels=_CIRCUMSTANCE,
            **sensitive,
        ),
        Field(
            "income_year_to",
            "收入年度止",
            Kind.DATE,
            headers=("收入周期止", "收入截止日期", "收入计算截止日期"),
            table="income",
            travels=_CIRCUMSTANCE,
            **sensitive,
        ),
    )
    items = tuple(
        Field(
            name,
            zh,
            Kind.MONEY,
            Level.INCOME,
            _SENSITIVE,
            headers,
            "元",
            table="income",
            travels=_CIRCUMSTANCE,
            minimum=0,
            component=component,
        )
        for component, name, zh, headers in INCOME_ITEMS
    )
    totals = tuple(
        Field(name, zh, Kind.MONEY, Level.INCOME, _SENSITIVE, headers, "元", table="household", component=component)
        for name, zh, component, headers in _TOTALS
    )
    return (*years, *items, *totals)


FIELDS: tuple[Field, ...] = (*_household(), *_living(), *_person(), *_income())
BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}
INCOME_ITEM_NAMES: tuple[str, ...] = tuple(name for _, name, _, _ in INCOME_ITEMS)
COMPONENT_OF: dict[str, str] = {name: component for component, name, _, _ in INCOME_ITEMS}
SINCE_OF_STATUS: dict[str, str] = {
    "poor": "poor_since",
    "lifted": "lifted_since",
    "monitored": "monitored_since",
    "minimum_living": "minimum_living_since",
    "special_hardship": "special_hardship_since",
    "ordinary": "ordinary_since",
}  # which date of the form begins which status; where it is empty, the day of registration does


def of_level(*levels: Level) -> tuple[Field, ...]:
    """The fields of these levels, in the catalogue's order."""
    return tuple(field for field in FIELDS if field.level in levels)


def stored_in(table: str) -> tuple[Field, ...]:
    """The fields that a table stores in columns of their own (income and status rows are shaped by hand)."""
    return tuple(field for field in FIELDS if field.table == table)


@cache
def by_header() -> dict[str, Field]:
    """Normalised header wording → field; two fields that claim one wording are a fault of the catalogue."""
    found: dict[str, Field] = {}
    for field in FIELDS:
        for wording in field.wordings:
            if found.setdefault(text_key(wording), field) is not field:
                raise ValueError(f"header {wording} means {found[text_key(wording)].name} and {field.name}")
    return found
