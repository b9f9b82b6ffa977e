# ruff: noqa: RUF001 (letters of many scripts)
"""Small tables in the code pages of Europe and the Near East, each to be read as it was written."""

from __future__ import annotations

import pytest

from pipeline.data.sources.guess_encoding import guess_encoding

TOWNS = {
    "Müller Köln, Größe Straße, Jäger Düsseldorf, Schröder Fürth": ("cp1252", "mac_roman", "cp850"),
    "René Besançon, Hélène Orléans, Désirée Béziers, François Nîmes": ("cp1252", "mac_roman", "cp850"),
    "Peña Málaga, Rodríguez León, Muñoz Cádiz, José Córdoba": ("cp1252", "mac_roman", "cp850"),
    "João Brasília, Conceição Ceará, Antônio Goiás, Gonçalves Paraná": ("cp1252", "mac_roman", "cp850"),
    "Åsa Örebro, Malmö Göteborg, Björn Gävle": ("cp1252", "mac_roman", "cp850"),
    "Łukasz Łódź, Zażółć Kraków, Gęśla Poznań, Władysław Częstochowa": ("cp1250", "iso8859-2", "cp852"),
    "Jiří Plzeň, Dvořák Ústí, Žižka Tábor, Šárka Děčín": ("cp1250", "iso8859-2", "cp852"),
    "Zoltán Győr, Szűcs Pécs, Ágnes Kőszeg, Erzsébet Gödöllő": ("cp1250", "iso8859-2", "cp852"),
    "Iaşi Bacău, Bucureşti Constanţa, Timişoara Braşov": ("cp1250",),
    "Şahin İstanbul, Çağlar Muğla, Yıldız Diyarbakır, Özgür Eskişehir": ("cp1254",),
    "Šiauliai Panevėžys, Žemaitė Kėdainiai, Ąžuolas Plungė": ("cp1257",),
    "Иван Москва, Ольга Новосибирск, Сергей Казань, Анна Тверь": ("cp1251", "koi8-r", "cp866"),
    "МОСКВА ДА, КАЗАНЬ НЕТ, ТВЕРЬ ДА, НОВОСИБИРСК НЕТ": ("cp1251", "koi8-r", "cp866"),
    "Київ Олександр, Львів Наталія, Харків Ірина": ("cp1251",),
    "Γιώργος Αθήνα, Μαρία Θεσσαλονίκη, Νίκος Πάτρα": ("cp1253",),
    "ΑΘΗΝΑ ΝΑΙ, ΠΑΤΡΑ ΟΧΙ, ΘΕΣΣΑΛΟΝΙΚΗ ΝΑΙ": ("cp1253",),
    "שרה ירושלים, דוד חיפה, יוסף נתניה": ("cp1255",),
    "محمد القاهرة, فاطمة الرياض, علي بغداد": ("cp1256",),
}
FORMS = (
    "name,town\n{rows}\n",
    "id,name,amount\n{repeated}\n",
    "title,who\n" + "A Beautiful Mind,Ron Howard\n" * 40 + "{rows}\n",
)


@pytest.mark.parametrize(("towns", "encoding"), [(towns, one) for towns, several in TOWNS.items() for one in several])
def test_letters_are_read_as_they_were_written(towns: str, encoding: str) -> None:
    """Seen failing: Latin-1 for capitals that come again, cp1252 for Romanian, Macintosh for Greek capitals, Windows
    for KOI8."""
    rows = [" ".join(pair.split()).replace(" ", ",") for pair in towns.split(", ")]
    repeated = "\n".join(f"{n},{rows[n % len(rows)].replace(',', ' ')},{n}.5" for n in range(30))
    for form in FORMS:
        text = form.format(rows="\n".join(rows), repeated=repeated)
        found, said = guess_encoding("t.csv", [text.encode(encoding)])
        assert text.encode(encoding).decode(found) == text, (found, form)
        assert any(not letter.isascii() for letter in (said or "").partition("(")[2][:45])


@pytest.mark.parametrize("language", ["Peña Rodríguez, Beyoncé, André Demián", "Frédéric, Zoë Müller, Besançon"])
@pytest.mark.parametrize("between", ["cp1252", "latin-1"])
def test_letters_of_latin_words_are_none_of_cyrillic(language: str, between: str) -> None:
    """As fivethirtyeight's biopics.csv: UTF-8 that was read as Windows and written as Macintosh. Seen failing: cp1251,
    with a Cyrillic letter within Penelope."""
    text = f"title,director\nA Song to Remember,{language.encode().decode(between)}\n"
    content = text.encode("mac_roman", "replace").replace(b"?", b"_")
    assert guess_encoding("t.csv", [content])[0] == "mac_roman"


@pytest.mark.parametrize("text", ["id,x\n1,äöü\n", "x,price\nBjørn,3° ± 1\nRené,4° ± 1\nPeña,5° ± 1\n"])
def test_western_letters_stay_western(text: str) -> None:
    assert text.encode("cp1252").decode(guess_encoding("t.csv", [text.encode("cp1252")])[0]) == text
