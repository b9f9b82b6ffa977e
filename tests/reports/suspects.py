"""Suspect labels for pages: one row of a table, with text that must be escaped."""

from __future__ import annotations

from typing import Any

SUSPECTS: dict[str, Any] = {
    "pipeline": "cats",
    "run_id": "20260101-000000-000",
    "keys": ("id",),
    "classes": ("tame", "<b>wild</b>", "both"),
    "rows": [
        {
            "row": "00000000000000ff",
            "file": "/data/span-01/cats.csv",
            "file_row": 1234,
            "given": "tame",
            "suggested": "<b>wild</b>",
            "score": 0.98,
            "is_error": True,
            "why": "trees 97% <b>wild</b>, label 1%",
            "values": {"id": "7", "note": "</script><script>alert(1)</script>, " + "long " * 20},
        }
    ],
    "looked_at": 455,
    "errors": 10,
    "skill": 0.1,
    "note": "The trees tell the classes hardly better than a guess.",
    "decided": 2,
    "file": "/data/label_decisions.csv",
    "page": "",
}
SUSPECTS_FILE = (
    "row by id,given,suggested,decision,reviewer,reason,note\n"
    '00000000000000ff,tame,<b>wild</b>,,,,"</script>, ""quoted"""\n'
    "00000000000000aa,both,tame,keep,B. Kaya,checked,\n"
)
