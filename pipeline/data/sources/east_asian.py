"""Which encoding of East Asia a short text is in, by the letters that each language has most of."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LETTERS = {
    "shift_jis": (
        "cp932",
        "日本東京都大阪府県市区町村田中山川木小高橋藤佐伊渡辺井林松清水加吉石森原島村上野西北南前後子一二三四五六七八九十"
        "年月名前住所電話番号会社店商品価格男女性別生人数合計内外円月火金土曜学校員部長社員文工業国語時分間新古屋車気天温度"
        "横浜神奈良福岡広仙台札幌千葉埼玉青葉花愛知静岡長崎熊鹿児沖縄世谷渋新宿品港太郎美恵和正明平成健康赤白黒晴曇雨雪",
    ),
    "gb18030": (
        "gb2312",
        "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好"
        "都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法"
        "北京上海广州深圳市省区县路号张王李刘陈杨赵黄周吴徐孙胡朱林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
        "姓名性别男女电话地址城东西南湖河山江苏浙安徽福建四川重庆天津武汉杭成价格商品数量日期红绿蓝白黑年龄是否产品苹果香蕉牛肉鱼米菜茶书车医院民办公司客户金额",
    ),
    "big5": (
        "big5",
        "的一是不了在人有我他這中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可她裡後小麼心多天而能好"
        "都然沒日於起還發成事只作當想看文無開手十用主行方又如前所本見經頭面公同三已老從動兩長知民樣現分將外但身些與高意進把法"
        "台臺北新竹中南高雄市縣區路號陳林黃張李王吳劉蔡楊許鄭謝郭洪曾邱廖賴徐周葉蘇莊呂江何蕭羅姓名性別男女電話地址"
        "東西湖山港香灣價格商品數量日期紅綠藍白黑年齡是否花蓮桃園基隆嘉義屏客戶豬肉",
    ),
    "euc_kr": (
        "euc_kr",
        "이다는을가에의고한하지은로기사서도를리인시대나자아그어수해정일부스제있전원주장조구동상국성여만보세오라중과으안들것유신소"
        "없년관경생공선위김최박강윤임비문학물방개명회교모용재진청북남산울광천민영호현미진우준희은경숙철순옥번월금목토입출회사학"
        "름별성주소전화번호가격상품수량날짜빨간파란흰검은충제평화양포항창원군읍면음높낮컴퓨터",
    ),
}
"""Of each encoding as Python calls it: the part of it that holds what people write, and common letters in that."""
SURELY, PERHAPS = 0.6, 0.45
_SEVERAL = 3
"""So many letters are hardly of one kind by chance."""


def east_asian(telling: bytes, enough: float = SURELY) -> str | None:
    """Return the encoding of lines with bytes beyond ASCII; None if they are not like one of East Asia.

    Args:
        enough: how like it they must be, SURELY or PERHAPS.
    """
    best, encoding = max((_likeness(telling, narrow, letters), name) for name, (narrow, letters) in _LETTERS.items())
    kana = _likeness(telling, "euc_jp", _LETTERS["shift_jis"][1])
    if kana > best:
        best, encoding = kana, "euc_jp"
    return ({"euc_kr": "cp949"}.get(encoding, encoding)) if best >= enough else None


def _likeness(telling: bytes, encoding: str, letters: str) -> float:
    """Return how like the language's the letters beyond ASCII are, from 0 to 1: half for one that the encoding lists
    among the usual ones, all for one of the commonest."""
    beyond = [*_beyond(telling.decode(encoding, "replace"), encoding)]  # a line may be cut off within a letter
    if len({*beyond}) >= _SEVERAL and all(_is_two_of_an_alphabet(letter, encoding) for letter in beyond):
        return 0.0
    found = 0.0
    for letter in beyond:
        if letter in letters or (encoding in ("cp932", "euc_jp") and "\u3041" <= letter <= "\u30ff"):  # or kana
            found += 1
        elif letter != "\ufffd" and not "\uff61" <= letter <= "\uff9f" and _is_usual(letter, encoding):
            found += 0.5  # kana of half the width are one byte, as the letters of other scripts
    return found / max(1, len(beyond))


def _beyond(text: str, encoding: str) -> Iterator[str]:
    """Yield the letters beyond ASCII; U+FFFD for those that are none, or that a Western word cut wrongly looks like."""
    for run in re.finditer(r"[^\W\d_A-Za-z]+", text):
        sides = text[max(run.start() - 1, 0) : run.start()], text[run.end() : run.end() + 1]
        beside = sum(side.isascii() and side.isalpha() for side in sides)
        yield from "\ufffd" * len(run[0]) if _is_cut_wrongly(run[0], beside, encoding) else run[0]
    yield from "\ufffd" * text.count("\ufffd")


def _is_cut_wrongly(run: str, beside: int, encoding: str) -> bool:
    """Return whether letters are rather those of a Western word: GONÇALVES, where `ÇA` are the two bytes of one.

    Args:
        beside: at how many of the run's ends a Latin letter stands.
    """
    if beside == 2 and len(run) == 1:
        return True  # two letters with accents within a word: SEÇÃO
    second = [letter.encode(encoding)[-1:] for letter in run]
    return beside > 0 and all(byte.isascii() and byte.isalpha() for byte in second)


def _is_two_of_an_alphabet(letter: str, encoding: str) -> bool:
    """Return whether the bytes of a letter are two of those that hold most of the Cyrillic, Greek or Arabic letters."""
    return letter != "\ufffd" and all(0xC0 <= byte <= 0xDF for byte in letter.encode(encoding))


def _is_usual(letter: str, encoding: str) -> bool:
    """Return whether an encoding lists a letter in its first level."""
    lead = letter.encode(encoding)[0]
    first, last = {"cp932": (0x88, 0x97), "big5": (0xA4, 0xC6), "euc_kr": (0xB0, 0xC8), "gb2312": (0xB0, 0xD7)}.get(
        encoding, (0xB0, 0xCF)
    )
    return first <= lead <= last
