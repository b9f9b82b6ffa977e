"""Words by which numbers, dates, identifiers and missing values are known."""

from __future__ import annotations

from pipeline.data.values.readings import ALWAYS_MISSING


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


CURRENCIES = _set(
    "\uffe5 \uffe6 \uff04"
    " $ £ € ¥ ₹ ₽ ₩ ₺ ₪ ₫ ฿ ₴ ₦ ₱ ₡ ₲ ₵ ₸ ¢ R$ US$ U$ C$ CA$ A$ AU$ NZ$ HK$ S$ NT$ MX$ Rs Rs. INR USD EUR GBP CHF JPY"
    " CNY RMB CAD AUD NZD SEK NOK DKK PLN CZK HUF BRL MXN"
    " ZAR TRY RUB KRW SGD HKD Fr. SFr. kr kr. zł Kč Ft lei лв Br"
)
COMMA_THOUSANDS = _set("$ £ ¥ ₹ US$ C$ CA$ A$ AU$ NZ$ HK$ S$ USD GBP INR JPY Rs Rs. \uffe5 \uffe6 \uff04 ₩ 円 元 원")
"""Currencies whose amounts have a comma between thousands, not before the fraction."""
UNITS = _set(
    "% ‰ ° °C °F ºC ºF ℃ ℉ kg g mg µg μg t lb lbs oz km m cm mm µm μm nm mi mile miles ft in inch inches yd m² m2 m³ m3"
    " km² km2 sqft sqm ha ac acre acres h hr hrs hour hours min mins minute minutes s sec secs second seconds ms µs day"
    " days week weeks wk wks month months mo mos year years yr yrs kWh MWh Wh kW MW GW W V mV mA mAh Hz kHz MHz GHz KB"
    " MB GB TB kB KiB MiB GiB bytes L l ml mL cl dl gal mph kph km/h kmh kmpl km/kg m/s knots kn mpg cc CC bhp hp HP ps"
    " PS kw Nm rpm psi bar mbar hPa Pa kPa dB dBm px pt pts points pcs pct percent kcal cal kJ J mmHg mg/dL mmol/L g/dL"
    " g/L mg/L µg/L ng/mL pg/mL U/L IU/L mEq/L µmol/L mmol/mol ppm"
    " ppb bp bps x \xd7"
    " 円 元 원 個 个 개 点 分 回 人 名 명 台 枚 本 冊 歳 岁 세 才 件 건 次 \uff05 度 /mo /yr /month /year /day"
    " /week /night /hr /hour /h /km /kg /m² /sqft /person /unit /ea us ns"
) | {"days ago", "hours ago", "weeks ago", "months ago", "sq ft", "sq. ft.", "sq m", "cu ft", "fl oz", "per cent"}
SURE_SCALES = _set("k K M 万 만 亿 億 억")
"""Those that are a scale though no other stands in the column: close to the figures no unit is written so."""
NEARLY = _set("~ ≈ ± ca. ca c.")
"""What stands before numbers that are not exact."""
CLOCK_NAMES = _set("time clock hour hours uhrzeit heure hora ora opens closes open close departure arrival dep arr")
LENGTH_NAMES = _set(
    "duration length lap pace split song track runtime elapsed dauer durée duración gap diff behind rückstand écart"
    " abstand distacco"
)
"""Words in the name of a column that say what 12:30 is: half past twelve, or twelve minutes and a half."""
DATE_NAMES = _set(
    "date dates datetime day days time times timestamp ts when at on dob birth birthday born created updated modified"
    " month period start end begin due expiry since until datum fecha jour data tag monat mois mes mese periode"
    " dt dttm yyyymm yyyymmdd"
)
"""Words in the name of a column that say that it holds dates."""
AMOUNT_NAMES = _set(
    "amount price cost costs pay salary wage income revenue sales total count value sum fee balance betrag gehalt preis"
    " kosten summe wert lohn importe monto precio salario"
)
"""Words at the end of a name of figures that are no days, as in date_salary."""
WEEK_NAMES = _set("week weeks wk isoweek yearweek kw woche kalenderwoche semaine semana")
EPOCH_NAMES = _set(
    "timestamp ts epoch unix time date datetime created updated at when utc posix zeit zeitstempel datum fecha hora"
    " heure tempo время дата"
)
DAY_NAMES = _set("date dates datetime datum fecha dob birthday born birthdate дата")
"""Words in the name of a column whose figures may be days as spreadsheets count them."""
BIRTH_NAMES = _set("birth birthday birthdate born dob geburtstag geburtsdatum naissance nacimiento nascita")
ID_NAMES = _set(
    "zip zipcode postcode postal plz cap phone telephone tel mobile cell fax ssn isbn issn ean upc gtin iban barcode"
    " imei fips cpf cnpj siret siren npi vat account iccid msisdn blz bankleitzahl kontonummer postleitzahl telefon"
    " steuernummer handy téléphone teléfono telefono cep pesel nip regon piva инн огрн огрнип окпо кпп снилс телефон"
)
"""Words in the name of a column whose figures name something, and count nothing."""
VERSION_NAMES = _set("version versions release python requires")
HEX_NAMES = _set("hex hash uuid guid sha md id code digest key token")
KEY_NAMES = ID_NAMES | HEX_NAMES | _set("no nr number num order sku item tracking reference ref serial")
"""Words in the name of a column that may name something by figures."""

FLAGS = tuple("bcdefinprsuz")
"""What Eurostat writes behind a value, or behind the ':' of a missing one: estimated, provisional, and so on."""

SURELY_MISSING = (
    *ALWAYS_MISSING,
    *_set('? ?? - -- --- . .. n.a. <NA> <null> (null) [null] NaT nil \u2013 \u2014 =""'),
    *_set("\\N #VALUE! #DIV/0! #REF! #NAME? #NUM! #NULL!"),
)
"""What means 'missing' in any column, in any case."""
ELSE_MISSING = (
    *_set("none missing unknown undefined nothing tbd n/d nd n.d. * ** *** x _ (blank) k.a. unbekannt inconnu"),
    *_set("n.c. n/c ... \u2026 dk refused"),
    *_set("desconocido dnf dns dsq n.n. n.b. #wert! #nv #n/v #valeur! #\xa1valor! #\xa1div/0!"),
    *(
        "not available",
        "not measured",
        "not applicable",
        "not known",
        "no data",
        "keine angabe",
        "k. a.",
        "n/v",
        "s/d",
        "(missing)",
    ),
    *_set("暂无 暂无数据 未知 不详 不明 なし н/д неизвестно"),
    *("нет данных", "sin datos", "sem dados", "brak danych", "non disponible", "nicht bekannt"),
    *("don't know", "prefer not to say", "no answer", "no response", "wei\xdf nicht"),
    *("0000-00-00", "0000-00-00 00:00:00", ":"),
    *(f": {flag}" for flag in FLAGS),
    *(f".{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"),  # reasons why, as Stata and SAS have them
)
"""What means 'missing' among numbers, dates and booleans; among texts it is a text."""
