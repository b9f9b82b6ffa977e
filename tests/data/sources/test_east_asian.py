# ruff: noqa: RUF001 (letters of many scripts)
"""Short texts of East Asia in every encoding that is usual there, and others that must not be taken for them."""

from __future__ import annotations

import pytest

from pipeline.data.sources.guess_encoding import guess_encoding

TEXTS = {
    ("shift_jis", "euc_jp"): (
        "名前,住所\n佐藤,東京都\n鈴木,大阪市\n",
        "品名\nりんご\nみかん\n",
        "カメラ,テレビ\n",
        "性別\n男\n女\n",
        "商品コード,在庫数\nボールペン,3\n",
        "取引先,売上高\n株式会社山田商店,1\n",
    ),
    ("gb18030",): ("姓名,城市\n张伟,北京\n王芳,上海\n", "男\n女\n", "天气\n晴\n多云\n小雨\n", "医院名称\n人民医院\n"),
    ("big5",): ("姓名,城市\n陳怡君,台北市\n林志明,高雄市\n", "顏色\n紅色\n藍色\n", "客戶,金額\n王小明,3\n"),
    ("cp949",): (
        "이름,도시\n김철수,서울\n이영희,부산\n",
        "남\n여\n",
        "날씨\n맑음\n흐림\n비\n",
        "고객번호,등급\n1,골드\n2,실버\n",
    ),
}
OTHERS = {
    "cp1252": ("Müller\nGröße\n", "Ärger,ÖL\nÜBER\n", "né à Paris\n", "São Paulo\n", "MÜLLER\nJÄGER\n"),
    "cp1250": ("Łódź\nKraków\n", "ŁÓDŹ\nŻÓŁĆ\n"),
    "cp1251": ("Имя,Город\nИван,Москва\n", "МОСКВА\nКАЗАНЬ\nТВЕРЬ\n", "ДА\nНЕТ\n"),
    "koi8_r": ("МОСКВА\nКАЗАНЬ\n",),
    "cp1253": ("ΑΘΗΝΑ\nΠΑΤΡΑ\n",),
    "cp1256": ("الاسم,المدينة\nمحمد,القاهرة\n",),
}

WESTERN = {
    "cp1252": ("GONÇALVES", "FRANÇOIS BESANÇON", "CURAÇAO", "ÇELIK ÇAKIR", "BARÇA", "GONÇALVES SÃO", "FAÇADE", "Çelik"),
    "mac_roman": ("Hélène", "Étienne", "SEÇÃO", "GÉNÉRÉS", "PRÉFÉRÉE", "GONÇALVES", "FRANÇOIS"),
    "cp1251": ("МОСКВА", "СОЧИ", "ИВАНОВО"),
}
MIXED = {
    "shift_jis": ("Tシャツ", "CDプレーヤー", "ビタミンC"),
    "euc_jp": ("iPhoneケース", "Tシャツ"),
    "gb18030": ("iPhone手机", "维生素C"),
    "big5": ("VIP客戶", "客戶"),
    "cp949": ("LG전자", "높음 컴퓨터"),
}


@pytest.mark.parametrize(
    ("encoding", "word"),
    [(encoding, word) for texts in (WESTERN, MIXED) for encoding, words in texts.items() for word in words],
)
def test_a_letter_with_an_accent_and_the_next_are_none_of_east_asia(encoding: str, word: str) -> None:
    """Seen failing: `ÇA` of GONÇALVES is a letter of Big5, and a few such were enough."""
    words = word.split()
    text = "id,name,town\n" + "".join(f"{i},{words[i % len(words)]},X\n" for i in range(1, 8))
    assert text.encode(encoding).decode(guess_encoding("t.csv", [text.encode(encoding)])[0]) == text


def test_a_single_letter_of_cp850_is_none_of_shift_jis() -> None:
    """Which code page of Western Europe it is, one letter does not tell."""
    assert guess_encoding("t.csv", ["id,name\n1,ÄRA\n2,ÄRA\n".encode("cp850")])[0] in ("cp1252", "mac_roman", "cp850")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [(encoding, text) for encodings, texts in TEXTS.items() for encoding in encodings for text in texts],
)
def test_a_few_words_tell_the_encoding(encoding: str, text: str) -> None:
    """Seen failing: most short texts in Shift-JIS were read as cp949."""
    content = text.encode(encoding)
    found, said = guess_encoding("t.csv", [content])
    assert content.decode(found) == text
    assert f"encoding {found}: not UTF-8, so a guess" in (said or "")


@pytest.mark.parametrize(("encoding", "text"), [(name, text) for name, texts in OTHERS.items() for text in texts])
def test_other_scripts_are_none_of_east_asia(encoding: str, text: str) -> None:
    assert guess_encoding("t.csv", [text.encode(encoding)])[0] not in (
        "shift_jis",
        "euc_jp",
        "gb18030",
        "big5",
        "cp949",
    )
