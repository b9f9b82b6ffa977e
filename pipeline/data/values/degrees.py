"""Latitudes and longitudes in degrees, minutes and seconds, 40°26'46"N, as numbers of degrees."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.values.numbers import MINUS

_MINUTE = "['\u2032\u2019\u2018\u00b4]"
_SECOND = r"(?:[\"\x{2033}\x{201d}\x{201c}]|''|\x{2032}\x{2032}|\x{2019}\x{2019})?"
_DMS = (
    rf"^\s*(?:(?P<minus>{MINUS})|(?P<before>[NSEWnsew])|)\s*(?P<degrees>\d{{1,3}}(?:[.,]\d+)?)"
    r"(?:(?:\s*[°º˚:]\s*|\s+)(?P<minutes>[0-5]?\d(?:[.,]\d+)?)"
    rf"(?:(?:\s*(?:{_MINUTE}|:)\s*|\s+)(?P<seconds>[0-5]?\d(?:[.,]\d+)?)\s*{_SECOND}|\s*{_MINUTE}?)|\s*[°º˚]?)"
    r"\s*(?P<behind>[NSEWnsew]?)\s*$"
)


def to_degrees(text: pa.Array) -> pa.Array:
    """Return degrees as plain texts, negative in the south and west; null where a text is no place."""
    coded = text.dictionary_encode()
    parts = pc.extract_regex(coded.dictionary, pattern=_DMS)
    total: pa.Array = pa.scalar(0.0)
    for name, share in (("degrees", 1.0), ("minutes", 60.0), ("seconds", 3600.0)):
        written = pc.replace_substring(parts.field(name), ",", ".")
        value = pc.cast(pc.if_else(pc.equal(written, ""), "0", written), pa.float64())
        total = pc.add(total, pc.divide(value, share))
    side = pc.utf8_upper(pc.binary_join_element_wise(parts.field("before"), parts.field("behind"), ""))
    signed = pc.binary_join_element_wise(parts.field("minus"), side, "")
    negative = pc.or_(pc.is_in(side, pa.array(["S", "W"])), pc.not_equal(parts.field("minus"), ""))
    fits = pc.and_(pc.less_equal(pc.utf8_length(signed), 1), pc.less_equal(total, 180.0))
    degrees = pc.multiply(total, pc.if_else(negative, -1.0, 1.0))
    plain = pc.if_else(pc.and_(parts.is_valid(), fits), degrees.cast(pa.string()), pa.scalar(None, pa.string()))
    return pc.take(plain, coded.indices)
