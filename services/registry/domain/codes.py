"""Code lists: canonical code, the Chinese text of the form, and the other texts that clerks write for it.

Canonical codes are those of `shared.events.registry`; the texts follow the national collection form, GB/T 3304
(ethnicity), GB/T 4762 (political status) and GB/T 2261.1 (sex). Codes of other systems are kept beside the value,
never instead of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

_SIGNS_BETWEEN = re.compile(r"[\s、，,;；+/()（）.·:：\-—_\[\]【】]+")


def text_key(text: str) -> str:
    """How cell texts and header wordings are compared: half width, lower case, no blanks or punctuation."""
    return _SIGNS_BETWEEN.sub("", unicodedata.normalize("NFKC", text)).lower()


@dataclass(frozen=True, slots=True)
class Code:
    """代码: one value of a list."""

    code: str
    zh: str
    en: str
    also: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that a cell may say for it."""
        return (self.zh, self.code, *self.also)


@dataclass(frozen=True)
class CodeList:
    """代码表: the values that a coded field may have."""

    name: str
    zh: str
    codes: tuple[Code, ...]

    @cached_property
    def by_key(self) -> dict[str, str]:
        """Normalised text → canonical code; two codes that claim one text are a fault of the list."""
        found: dict[str, str] = {}
        for code in self.codes:
            for text in code.texts:
                key = text_key(text)
                if found.setdefault(key, code.code) != code.code:
                    raise ValueError(f"{self.name}: {text} stands for {found[key]} and {code.code}")
        return found

    def read(self, text: str) -> str | None:
        """The canonical code that a text means, or none."""
        return self.by_key.get(text_key(text))

    def label(self, code: str) -> str:
        """The Chinese text of a canonical code."""
        return next(known.zh for known in self.codes if known.code == code)

    @property
    def names(self) -> tuple[str, ...]:
        """The canonical codes in order."""
        return tuple(code.code for code in self.codes)


def _list(name: str, zh: str, rows: Iterable[tuple[str, ...]]) -> CodeList:
    return CodeList(name, zh, tuple(Code(row[0], row[1], row[2], tuple(row[3:])) for row in rows))


def _grades(prefix: str, zh: str, en: str, count: int, *also: str) -> list[tuple[str, ...]]:
    """普高一年级, 普高二年级 …: the grades of one kind of school, with their shorter spellings."""
    rows: list[tuple[str, ...]] = []
    for grade, numeral in enumerate("一二三四五"[:count], start=1):
        texts = [f"{stem}{ending}" for stem in (zh, *also) for ending in (numeral, f"{grade}年级", str(grade))]
        texts += [f"{stem}{numeral}年级" for stem in also]
        rows.append((f"{prefix}_{grade}", f"{zh}{numeral}年级", f"{en}, year {grade}", *texts))
    return rows


YES_NO = _list(
    "yes_no",
    "是否",
    [
        ("yes", "是", "yes", "有", "√", "y", "true", "已解决", "已参加", "参加", "1"),
        ("no", "否", "no", "无", "×", "n", "false", "未解决", "未参加", "没有", "0", "2"),
        ("refused", "拒绝回答", "refused to answer", "拒答", "拒绝", "不愿回答"),
        ("unknown", "不详", "unknown", "未知", "不清楚", "不知道", "unk"),
    ],
)
PRESENCE = _list(
    "presence",
    "在户状态",
    [
        ("present", "在户", "present", "在家", "是", "1"),
        ("away", "不在户", "away", "否", "离户", "0", "2"),
    ],
)
STATUS = _list(
    "status",
    "户类型",
    [
        ("poor", "贫困户", "poor household", "未脱贫", "未脱贫户", "建档立卡贫困户", "一般贫困户", "返贫户"),
        ("lifted", "脱贫户", "lifted household", "已脱贫", "已脱贫户", "稳定脱贫户"),
        ("monitored", "监测户", "monitored household", "监测对象", "脱贫不稳定户", "边缘易致贫户", "突发严重困难户"),
        ("minimum_living", "低保户", "minimum living allowance household", "低保", "最低生活保障户"),
        ("special_hardship", "特困户", "special hardship household", "特困", "特困供养户", "特困供养", "五保户"),
        ("ordinary", "一般农户", "ordinary household", "一般户", "一般", "普通农户"),
    ],
)
LEAVING = _list(
    "leaving",
    "不在户原因",
    [
        ("work", "外出务工", "working elsewhere"),
        ("study", "外出上学", "studying elsewhere"),
        ("army", "服兵役", "in the army"),
        ("prison", "服刑", "in prison"),
        ("care", "集中供养或住院", "in a home or a hospital"),
        ("missing", "下落不明", "missing"),
        ("other", "其他", "other"),
    ],
)
CLOSING = _list(
    "closing",
    "注销原因",
    [
        ("moved_away", "整户迁出辖区", "moved away as a whole"),
        ("duplicate", "重复建档", "recorded twice"),
        ("mistaken", "误录", "recorded by mistake"),
        ("unregistered", "户口注销", "household registration cancelled"),
        ("other", "其他", "other"),
    ],
)
SEX = _list("sex", "性别", [("male", "男", "male", "男性", "1"), ("female", "女", "female", "女性", "2")])
ID_KIND = _list(
    "id_kind",
    "证件类型",
    [
        ("citizen_id", "居民身份证", "citizen id", "身份证", "二代身份证", "居民户口簿", "户口簿", "01"),
        ("disability_card", "残疾人证", "disability card", "残疾证", "中华人民共和国残疾人证", "02"),
        ("none", "无证件", "no document", "无", "未办证", "未上户", "99"),
    ],
)
RELATION = _list(
    "relation",
    "与户主关系",
    [
        ("head", "户主", "head", "本人", "本人或户主", "01", "02"),
        ("spouse", "配偶", "spouse", "妻", "夫", "妻子", "丈夫", "之妻", "之夫", "10"),
        ("son", "之子", "son", "子", "儿子", "长子", "次子", "三子", "独生子", "20"),
        ("daughter", "之女", "daughter", "女", "女儿", "长女", "次女", "三女", "独生女", "30"),
        ("daughter_in_law", "之儿媳", "daughter-in-law", "儿媳", "儿媳妇"),
        ("son_in_law", "之女婿", "son-in-law", "女婿"),
        ("grandson", "之孙子", "grandson", "孙子"),
        ("granddaughter", "之孙女", "granddaughter", "孙女"),
        ("daughters_son", "之外孙子", "daughter's son", "外孙子", "外孙", "之外孙"),
        ("daughters_daughter", "之外孙女", "daughter's daughter", "外孙女"),
        ("father", "之父", "father", "父亲", "父"),
        ("mother", "之母", "mother", "母亲", "母"),
        ("wifes_father", "之岳父", "wife's father", "岳父"),
        ("wifes_mother", "之岳母", "wife's mother", "岳母"),
        ("husbands_father", "之公公", "husband's father", "公公"),
        ("husbands_mother", "之婆婆", "husband's mother", "婆婆"),
        ("grandfather", "之祖父", "grandfather", "祖父", "爷爷"),
        ("grandmother", "之祖母", "grandmother", "祖母", "奶奶"),
        ("mothers_father", "之外祖父", "mother's father", "外祖父", "外公", "姥爷"),
        ("mothers_mother", "之外祖母", "mother's mother", "外祖母", "外婆", "姥姥"),
        ("sibling", "之兄弟姐妹", "sibling", "兄弟姐妹", "兄", "弟", "姐", "妹", "哥哥", "弟弟", "姐姐", "妹妹"),
        ("siblings_wife", "之兄弟媳妇", "sibling's wife", "兄弟媳妇", "嫂子", "弟媳"),
        ("uncle", "之叔伯", "uncle", "叔伯", "叔叔", "伯父"),
        ("nephew", "之侄儿", "nephew", "侄儿", "侄子"),
        ("niece", "之侄女", "niece", "侄女"),
        ("great_grandchild", "之曾孙子/女", "great-grandchild", "曾孙子", "曾孙女", "之曾孙子", "之曾孙女"),
        ("other", "其他", "other", "其它", "其他亲属", "非亲属"),
    ],
)
_ETHNIC_GROUPS = (
    "01汉han 02蒙古mongol 03回hui 04藏tibetan 05维吾尔uyghur 06苗miao 07彝yi 08壮zhuang "
    "09布依bouyei 10朝鲜korean 11满manchu 12侗dong 13瑶yao 14白bai 15土家tujia 16哈尼hani "
    "17哈萨克kazakh 18傣dai 19黎li 20傈僳lisu 21佤va 22畲she 23高山gaoshan 24拉祜lahu "
    "25水sui 26东乡dongxiang 27纳西naxi 28景颇jingpo 29柯尔克孜kirgiz 30土tu 31达斡尔daur 32仫佬mulao "
    "33羌qiang 34布朗blang 35撒拉salar 36毛南maonan 37仡佬gelao 38锡伯xibe 39阿昌achang 40普米pumi "
    "41塔吉克tajik 42怒nu 43乌孜别克uzbek 44俄罗斯russian 45鄂温克evenki 46德昂deang 47保安bonan 48裕固yugur "
    "49京gin 50塔塔尔tatar 51独龙derung 52鄂伦春oroqen 53赫哲hezhen 54门巴monba 55珞巴lhoba 56基诺jino"
)


def _ethnic_group(entry: str) -> tuple[str, ...]:
    found = re.fullmatch(r"([0-9]{2})([^a-z]+)([a-z]+)", entry)
    assert found is not None, entry
    number, zh, code = found.groups()
    return (code, f"{zh}族", f"{code.capitalize()}", zh, number, f"{number}{zh}族", f"{number}{zh}")


ETHNICITY = _list(
    "ethnicity",
    "民族",
    [
        *(_ethnic_group(entry) for entry in _ETHNIC_GROUPS.split()),
        ("unrecognised", "其他未识别民族", "not recognised", "其他", "97", "未识别民族"),
        ("naturalised", "外国血统中国籍人士", "naturalised", "入籍", "98"),
    ],
)
POLITICAL = _list(
    "political",
    "政治面貌",
    [
        ("party_member", "中共党员", "Party member", "党员", "共产党员", "01"),
        ("probationary_member", "中共预备党员", "probationary Party member", "预备党员", "02"),
        ("youth_league", "共青团员", "Youth League member", "团员", "03"),
        ("revolutionary_committee", "民革党员", "Revolutionary Committee of the Kuomintang", "民革会员", "04"),
        ("democratic_league", "民盟盟员", "China Democratic League", "05"),
        ("national_construction", "民建会员", "China National Democratic Construction Association", "06"),
        ("promoting_democracy", "民进会员", "China Association for Promoting Democracy", "07"),
        ("peasants_and_workers", "农工党党员", "Peasants' and Workers' Democratic Party", "08"),
        ("public_interest", "致公党党员", "China Zhi Gong Party", "09"),
        ("september_third", "九三学社社员", "Jiusan Society", "10"),
        ("self_government", "台盟盟员", "Taiwan Democratic Self-Government League", "11"),
        ("no_party", "无党派人士", "without party affiliation", "无党派", "12"),
        ("masses", "群众", "none", "无", "13"),
    ],
)
SCHOOLING = _list(
    "schooling",
    "在校生状况",
    [
        ("not_student", "非在校生", "not a student", "非在校", "不在校"),
        ("preschool", "学前教育", "preschool", "幼儿园", "学前班"),
        ("primary", "小学", "primary school"),
        ("junior_7", "七年级", "junior school, grade 7", "初一", "初中一年级", "初一年级", "7年级"),
        ("junior_8", "八年级", "junior school, grade 8", "初二", "初中二年级", "初二年级", "8年级"),
        ("junior_9", "九年级", "junior school, grade 9", "初三", "初中三年级", "初三年级", "9年级"),
        *_grades("senior", "普高", "senior school", 3, "高中", "普通高中"),
        *_grades("vocational", "中职", "vocational school", 3, "中等职业教育", "中等职业学校"),
        *_grades("college", "高职(高专)", "vocational college", 3, "高职高专", "高职", "大专"),
        *_grades("technician", "技工", "technician school", 4, "技师学院", "技工学校"),
        *_grades("bachelor", "本科", "university", 5, "大学"),
        ("postgraduate", "硕士及以上", "postgraduate", "硕士研究生及以上", "研究生", "硕士"),
    ],
)
EDUCATION = _list(
    "education",
    "文化程度",
    [
        ("preschool_child", "学龄前儿童", "child below school age", "学龄前"),
        ("illiterate", "文盲或半文盲", "illiterate or nearly so", "文盲", "半文盲", "文盲半文盲"),
        ("primary", "小学", "primary school", "小学毕业"),
        ("junior", "初中", "junior school", "初中毕业"),
        ("senior", "高中", "senior school", "高中毕业", "中专", "中职", "高中/中专"),
        ("college", "大专", "college", "专科", "大学专科", "高职"),
        ("bachelor", "本科及以上", "university", "本科", "大学本科", "大学"),
        ("master", "硕士及以上", "master or above", "硕士", "硕士研究生及以上", "研究生"),
    ],
)
HEALTH = _list(
    "health",
    "健康状况",
    [
        ("healthy", "健康", "healthy", "良好", "健康或良好"),
        ("chronic", "长期慢性病", "chronically ill", "慢性病", "慢病"),
        ("serious", "患有大病", "seriously ill", "大病", "重病", "患大病"),
        ("disabled", "残疾", "disabled", "残"),
        ("serious_disabled", "患有大病,残疾", "seriously ill and disabled", "残疾,患有大病", "大病+残疾", "残疾+大病"),
        (
            "chronic_disabled", "长期慢性病,残疾", "chronically ill and disabled",
            "残疾,长期慢性病", "慢病+残疾", "慢性病+残疾", "残疾+慢病",
        ),
    ],
)  # fmt: skip
LABOUR = _list(
    "labour",
    "劳动技能",
    [
        ("ordinary", "普通劳动力", "ordinary labour", "普通", "一般劳动力"),
        ("skilled", "技能劳动力", "skilled labour", "技能"),
        ("weak", "弱劳动力或半劳动力", "weak or half labour", "弱劳动力", "半劳动力", "弱劳力", "半劳力", "弱半劳动力"),
        ("lost", "丧失劳动力", "labour lost", "丧失劳动能力"),
        ("none", "无劳动力", "no labour", "无劳动能力", "无"),
    ],
)
MEDICAL_COVER = _list(
    "medical_cover",
    "医疗保险",
    [
        (
            "resident", "城乡居民基本医疗保险", "residents' medical insurance",
            "城乡居民医保", "居民医保", "新农合", "新型农村合作医疗", "城乡居民基本医保",
        ),
        (
            "employee", "城镇职工基本医疗保险", "employees' medical insurance",
            "职工医保", "城镇职工医保", "职工基本医疗保险",
        ),
        ("both", "居民医保和职工医保", "both", "均参加", "都参加", "城乡居民医保,职工医保"),
        ("none", "未参加", "none", "无", "未参保", "否", "没有"),
    ],
)  # fmt: skip
PENSION_COVER = _list(
    "pension_cover",
    "养老保险",
    [
        (
            "resident", "城乡居民基本养老保险", "residents' pension insurance",
            "城乡居民养老保险", "居民养老", "居民养老保险", "新农保",
        ),
        (
            "employee", "城镇职工基本养老保险", "employees' pension insurance",
            "职工养老", "职工养老保险", "城镇职工养老保险", "职工基本养老保险",
        ),
        ("both", "居民养老和职工养老", "both", "均参加", "都参加"),
        ("none", "未参加", "none", "无", "未参保", "否", "没有"),
    ],
)  # fmt: skip
HOUSING_LEVEL = _list(
    "housing_level",
    "住房安全等级",
    [
        ("A", "A级", "level A (safe)", "安全", "A级(安全)"),
        ("B", "B级", "level B (some members dangerous)", "基本安全", "B级(基本安全)"),
        ("C", "C级", "level C (partly dangerous)", "局部危险", "C级(局部危险)", "C级危房"),
        ("D", "D级", "level D (wholly dangerous)", "整体危险", "D级(整体危险)", "D级危房"),
        ("none", "无房", "no house", "无住房"),
    ],
)
ROAD = _list(
    "road",
    "入户路类型",
    [
        ("earth", "泥土路", "earth", "土路"),
        ("gravel", "砂石路", "gravel", "沙石路"),
        ("hardened", "硬化路", "hardened", "水泥路", "沥青路", "水泥硬化路", "沥青(水泥)路", "硬化路(水泥/沥青)"),
    ],
)
CAUSE = _list(
    "cause",
    "致贫原因",
    [
        ("illness", "因病", "illness"),
        ("disability", "因残", "disability"),
        ("schooling", "因学", "schooling"),
        ("disaster", "因灾", "disaster", "因自然灾害"),
        ("land", "缺土地", "lack of land"),
        ("water", "缺水", "lack of water"),
        ("skill", "缺技术", "lack of skill"),
        ("labour", "缺劳力", "lack of labour", "缺劳动力"),
        ("capital", "缺资金", "lack of capital"),
        ("traffic", "交通条件落后", "poor traffic", "交通落后"),
        ("motivation", "自身发展动力不足", "lack of own motivation", "自身发展能力不足"),
        ("marriage", "因婚", "marriage"),
        ("funeral", "因丧", "funeral"),
        ("other", "其他", "other", "其它"),
    ],
)
DISASTER = _list(
    "disaster",
    "灾害类型",
    [
        ("flood", "洪涝", "flood", "洪涝灾害", "洪水", "水灾"),
        ("drought", "干旱", "drought", "旱灾"),
        ("landslide", "滑坡泥石流", "landslide", "滑坡", "泥石流", "滑坡、泥石流"),
        ("earthquake", "地震", "earthquake", "地震灾害"),
        ("hail", "冰雹", "hail", "风雹"),
        ("frost", "低温冷冻", "frost", "霜冻", "雪灾", "低温冷冻和雪灾"),
        ("fire", "火灾", "fire"),
        ("pest", "病虫害", "pest", "生物灾害", "疫病"),
        ("other", "其他", "other", "其它", "其他灾害"),
    ],
)

CODE_LISTS: tuple[CodeList, ...] = (
    YES_NO, PRESENCE, STATUS, SEX, ID_KIND, RELATION, ETHNICITY, POLITICAL, SCHOOLING, EDUCATION, HEALTH, LABOUR,
    MEDICAL_COVER, PENSION_COVER, HOUSING_LEVEL, ROAD, CAUSE, DISASTER,
)  # fmt: skip
