"""Which encoding a text file is in, from its beginning and samples of the rest."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from pipeline.data.sources.alphabets import is_long, other_script, stands_apart
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.east_asian import PERHAPS, east_asian
from pipeline.data.sources.head import is_valid_utf8, wide_encoding
from pipeline.data.sources.magic import remedy, sign_of
from pipeline.data.sources.text_bytes import UNREADABLE, is_packed, open_bytes
from pipeline.errors import DataError, as_argument

HEAD_BYTES = 1 << 20
_SAMPLE_BYTES, _SAMPLES = 1 << 16, 32
_MOST_TELLING = 1 << 15
_LATIN = ["cp1252", "cp1250", "cp1254", "cp1257", "iso8859-2", "mac_roman", "cp850", "cp852", "cp437"]
"""Of what two of them read alike, the first is taken."""
_LIKE, _HALF, _CLEARLY = 0.85, 0.5, 0.4
"""Windows is what most people have, unless letters are nearly all of one language, or half and far more."""
_SIGNS = "°±²³µ€£§½¼–—‘’“”„…«»®©×·\xa0"  # noqa: RUF001
_NO_LETTERS = "°±²³µ€£§½¼©®ºª“”„«»"
_READ_AS_WINDOWS = re.compile(r"[\u00c2-\u00c5\u00e2][^\x00-\x7f]{1,2}")
_ALPHABETS = [
    "äöüß", "àâçèéêëîïôùûüœæ", "áéíóúñü¿¡ºª", "áâãàçéêíóôõúü", "àèéìòóù", "åäöæøéü", "áéíóúýæöþð", "ąćęłńóśźż",
    "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţșț", "čćđšž", "çğıöşüâîİ", "ąčęėįšųūž", "āčēģīķļņšūž",
    "äöüõšž",
]  # fmt: skip
"""The letters of languages, beyond ASCII."""


def read_samples(path: str) -> list[bytes]:
    """Return the first bytes of a file, unpacked, and of a plain one pieces from all over it, the last of them its end.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with open_bytes(path) as file:
            pieces = [file.read(HEAD_BYTES)]
            if is_packed(path):
                return pieces
            size = Path(path).stat().st_size
            if size <= HEAD_BYTES:
                return pieces
            step = max((size - HEAD_BYTES) // _SAMPLES, 1)
            places = [*range(HEAD_BYTES, size - _SAMPLE_BYTES, max(step, _SAMPLE_BYTES))]
            for place in [*places, max(HEAD_BYTES, size - _SAMPLE_BYTES)]:
                file.seek(place)
                pieces.append(file.read(_SAMPLE_BYTES))
            return pieces
    except UNREADABLE as exc:
        raise corrupt(path, exc) from exc


_NO_TEXT = rb"[\x00\x02-\x08\x0e-\x1a\x1c-\x1e]"
"""Bytes of control that stand in no text; fields may be cut by two others."""


def guess_encoding(path: str, pieces: Sequence[bytes]) -> tuple[str, str | None]:
    """Return the encoding, and a sentence that says how it is known; None for UTF-8.

    Args:
        pieces: as `read_samples` returns them.

    Raises:
        DataError: this is no text.
    """
    if pieces[0].startswith(codecs.BOM_UTF8):
        return "utf-8", None
    wide = wide_encoding(pieces[0])
    if not wide and len(re.findall(_NO_TEXT, pieces[0])) > max(8, len(pieces[0]) / 50):
        if found := sign_of(pieces[0]):
            raise DataError(f"{path} is {found[1]}, whatever its name says", remedy(path, found))
        if b"\0" in pieces[0] and len(re.findall(_NO_TEXT, pieces[0].replace(b"\0", b""))) < len(pieces[0]) / 50:
            line = pieces[0][: pieces[0].index(b"\0")].count(b"\n") + 1
            raise DataError(
                f"{path}, line {line}: there are bytes of zero, which no text has",
                f"take them out, if the rest is whole: tr -d '\\000' < {as_argument(path)} > whole.csv",
            )
        raise DataError(f"{path} is not text", "name a file of text; see docs/text.md for what is read")
    if wide:
        marked = wide in ("utf-16", "utf-32")
        return wide, f"encoding {wide}: " + ("its mark stands at the start" if marked else "every other byte is zero")
    if all(is_valid_utf8(_whole_characters(piece)) for piece in pieces):
        return "utf-8", None
    telling = _telling(pieces)
    encoding = _closest(telling)
    first = telling.decode(encoding, "replace").lstrip()
    letter = next((place for place, one in enumerate(first) if not one.isascii()), 0)
    shown = (
        first[max(0, letter - 20) :].partition("\n")[0].strip()[:40] if letter > 30 else first.partition("\n")[0][:40]
    )
    return encoding, (
        f"encoding {encoding}: not UTF-8, so a guess from its letters ({shown!r}); if they look wrong, give another "
        "(data.format.encoding)"
    )


def _whole_characters(piece: bytes) -> bytes:
    """Drop the rest of a character at the start of a piece from the middle of a file."""
    cut = 0
    while cut < min(3, len(piece)) and 0x80 <= piece[cut] < 0xC0:
        cut += 1
    return piece[cut:]


def _telling(pieces: Sequence[bytes]) -> bytes:
    """Return lines with bytes that are no ASCII."""
    kept: list[bytes] = []
    size = 0
    for piece in pieces:
        for line in piece.splitlines():
            if not line.isascii():
                kept.append(line[:1000])
                size += len(kept[-1]) + 1
                if size > _MOST_TELLING:
                    return b"\n".join(kept)
    return b"\n".join(kept)


def _closest(telling: bytes) -> str:
    """Return the encoding in which the letters are those of one language."""
    if found := east_asian(telling):
        return found
    likeness = {name: _likeness(telling, name) for name in _LATIN}
    best = max(likeness, key=lambda name: likeness[name])
    if (likeness["cp1252"] < _LIKE or is_long(telling)) and (found := other_script(telling)):
        return found
    if stands_apart(telling) and (found := east_asian(telling, PERHAPS)):
        return found
    if likeness[best] >= _LIKE or (likeness[best] >= _HALF and likeness[best] > likeness["cp1252"] + _CLEARLY):
        return best
    return "cp1252" if is_decodable(telling, "cp1252") else "latin-1"


def is_decodable(data: bytes, encoding: str) -> bool:
    """Return whether all bytes are characters in an encoding."""
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _signs_within(text: str) -> list[bool]:
    """Return of each character whether it is a sign that cannot stand within a word, and does: Zap³acono."""
    return [
        sign in _NO_LETTERS and before.isalpha() and after.isalpha()
        for before, sign, after in zip(f" {text}", text, f"{text[1:]} ", strict=False)
    ]


def _repaired(text: str) -> str:
    """Return a text with letters of UTF-8 that a program read as those of Windows, maybe twice, as they were."""
    for _ in range(2):
        text = _READ_AS_WINDOWS.sub(lambda found: _as_utf8(found[0]), text)
    return text


def _as_utf8(letters: str) -> str:
    for wrong in ("cp1252", "latin-1"):
        try:
            return letters.encode(wrong).decode()
        except UnicodeError:
            continue
    return letters


def _likeness(telling: bytes, encoding: str) -> float:
    """Return how many of the letters beyond ASCII are of that one language that has most of them."""
    if not is_decodable(telling, encoding):
        return 0.0
    text = _repaired(telling.decode(encoding))
    seen = Counter(
        "\0" if (letter.isupper() and before.islower()) or within else letter  # mIxed as nobody writes
        for (before, letter), within in zip(pairwise(f" {text}"), _signs_within(text), strict=True)
        if not letter.isascii()
    )
    total = seen.total()
    signs = sum(seen[sign] for sign in _SIGNS)
    return max(signs + sum(seen[one] for one in letters + letters.upper()) for letters in _ALPHABETS) / max(total, 1)
