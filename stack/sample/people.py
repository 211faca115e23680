"""Names, numbers and lives that nobody has: ids carry the area 629999, which was never issued."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from random import Random

from shared.values import citizen_id_check
from stack.sample.nouns import VISITED, Someone

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏"
    "程吕丁任沈姚卢姜崔钟谭陆汪范石廖贾韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱"
)
GIVEN_MALE = "建国 志强 小明 文辉 永平 国庆 海龙 成林 玉宝 双全 天佑 长生 春生 学文 学武 家旺 有福 世杰 吉祥 㼆 䶮 𠮷"
GIVEN_FEMALE = "秀英 桂兰 小红 玉梅 春燕 彩霞 月娥 玉兰 雪梅 巧云 淑芳 海燕 翠花 金花 婷 丽 芳 小凤 喜梅 改琴"
TIBETAN_MALE = "扎西 才让 桑吉 旦增 多吉 索南 扎西·才让 贡布·多杰 丹增·嘉措"
TIBETAN_FEMALE = "卓玛 央金 拉姆 德吉 才让卓玛 卓玛·央宗 旦知草"
WORKPLACES = (
    "甘肃省兰州市城关区",
    "甘肃省甘南藏族自治州合作市",
    "陕西省西安市雁塔区",
    "四川省成都市武侯区",
    "新疆昌吉州昌吉市",
)
_MALE = {"son", "son_in_law", "grandson", "father", "grandfather", "nephew", "uncle"}


class People:
    """Draws people; no number is drawn twice."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._used: Counter[str] = Counter()
        self._phones = 0

    def number(self, born: date, sex: str) -> str:
        """A number of that birth and sex; orders that end in zeros are left out (they look like damaged cells)."""
        day = f"{born:%Y%m%d}"
        while True:
            order = self._used[day + sex] * 2 + (1 if sex == "male" else 2)
            self._used[day + sex] += 1
            if order > 999:
                raise ValueError(f"too many people born on {born}")
            if order % 100:
                seventeen = f"629999{day}{order:03d}"
                return seventeen + citizen_id_check(seventeen)

    def phone(self) -> str:
        """A number of a block that nobody was given."""
        self._phones += 1
        return f"1990{self._phones:07d}"

    def birthday(self, age: int) -> date:
        """A day on which somebody of that age on the day of the visit was born; never in the demo's span.

        Whoever has a birthday between the visit and the last judgement was planted.
        """
        latest = VISITED.replace(year=VISITED.year - age)
        return latest - timedelta(days=self._random.randrange(0, 300))

    def draw(self, relation: str, age: int, *, tibetan: bool, surname: str, sex: str | None = None) -> Someone:
        """One person of that age and kinship, sound in every field."""
        random = self._random
        if sex is None:
            sex = ("male" if relation in _MALE else "female") if relation not in ("head", "spouse") else "male"
        born = self.birthday(age)
        one = Someone(self._name(sex, tibetan, surname), relation, sex, born, self.number(born, sex))
        one.ethnicity = "tibetan" if tibetan else "han"
        self._live(one, age)
        if age >= 18 and random.random() < 0.06:
            one.political = "party_member"
        if relation == "head":
            one.phone = self.phone()
        return one

    def _name(self, sex: str, tibetan: bool, surname: str) -> str:
        if tibetan:
            return self._random.choice((TIBETAN_MALE if sex == "male" else TIBETAN_FEMALE).split())
        return surname + self._random.choice((GIVEN_MALE if sex == "male" else GIVEN_FEMALE).split())

    def surname(self) -> str:
        """Some family's."""
        return self._random.choice(SURNAMES)

    def _live(self, one: Someone, age: int) -> None:
        """School, health, work and cover as they go with an age."""
        random = self._random
        one.schooling, one.education = school_of(age, random)
        one.labour = "none" if age < 16 or one.schooling != "not_student" else ("weak" if age >= 60 else "ordinary")
        if 16 <= age < 60 and one.labour == "ordinary" and random.random() < 0.1:
            one.labour = "skilled"
        draw = random.random()
        if age >= 55 and draw < 0.25:
            one.health = "chronic"
        elif draw > 0.985:
            one.health = "serious"
        elif draw > 0.96:
            self.disable(one, random.choice("1234567"), random.choice("1234"))
        if 18 <= age < 60 and one.labour in ("ordinary", "skilled") and random.random() < 0.5:
            one.workplace, one.months = random.choice(WORKPLACES), random.randint(1, 12)
            one.pay_fen = random.randint(15, 45) * 10_000
        if age < 16:
            one.pension = "none"

    def disable(self, one: Someone, kind: str, level: str) -> None:
        """Disabled, with a card."""
        one.health, one.card = "disabled", one.id_number + kind + level
        if one.labour in ("ordinary", "skilled") and level in "12":
            one.labour = "lost"


def school_of(age: int, random: Random) -> tuple[str, str | None]:
    """Schooling stage and, of those out of school, education."""
    if age < 3:
        return "not_student", "preschool_child"
    if age < 7:
        return "preschool", None
    if age < 13:
        return "primary", None
    if age < 16:
        return f"junior_{age - 6}", None
    if age < 19 and random.random() < 0.7:
        return f"senior_{age - 15}", None
    if age < 22 and random.random() < 0.25:
        return f"bachelor_{max(1, age - 18)}", None
    return "not_student", random.choice(
        ("illiterate", "primary", "junior", "senior")
        if age > 50
        else ("primary", "junior", "junior", "senior", "college")
    )
