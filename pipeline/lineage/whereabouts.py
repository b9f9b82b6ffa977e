"""Where a workspace lies by the records of its own store, and where it lies now.

TFX wants absolute paths in ML Metadata. So where the workspace lay when they were written is on record, with its
number, in the context of every pipeline; after a move all of them are replaced in one transaction. Where it lay first
stays on record: TFX finds what a step did before by a digest of paths, among others, which must not change.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.files import is_local
from pipeline.lineage.renaming import Renaming
from pipeline.workspace.identity import is_copy_of, read_id

ID, ROOT, BASE = "workspace_id", "workspace_root", "config_folder"
FIRST_ROOT, FIRST_BASE = "first_workspace_root", "first_config_folder"
"""Custom properties of TFX's own context of a pipeline: the workspace's number, the folder that it lies in and the one
of the YAML file; and where both lay first."""
_OUTPUT = re.compile(r"(/.*)/artifacts/[^/]+/[^/]+/\d+")
_COLUMNS = {
    "Artifact": "uri",
    "ArtifactProperty": "string_value",
    "ExecutionProperty": "string_value",
    "ContextProperty": "string_value",
}


@dataclass(frozen=True)
class Here:
    """Where workspace and configuration lie now.

    Attributes:
        pipeline: its name in ML Metadata.
        base: the folder of the YAML file.
        data: pattern of the table.
    """

    root: Path
    pipeline: str
    base: str
    data: str


@dataclass(frozen=True)
class Known:
    """What the records say.

    Attributes:
        number: of the workspace; "" where an older Longhaul did not say.
        roots: the folders that it lay in when they were written, the last one first.
        base: the folder of the YAML file; "" if it is not on record.
        is_noted: whether it stands in the pipeline's context, and nothing has to be looked for.
    """

    number: str = ""
    roots: tuple[str, ...] = ()
    base: str = ""
    is_noted: bool = False


@dataclass(frozen=True)
class Move:
    """How the records differ from where the workspace lies.

    Attributes:
        before: where it lay; None if it has not moved.
        copied: whether it still lies there, too, and this is a copy.
        names: what its folders are called from now on.
        is_noted: whether nothing at all is to be written.
    """

    before: Path | None
    copied: bool = False
    names: Renaming = field(default_factory=lambda: Renaming({}))
    is_noted: bool = False


def move_of(known: Known, here: Here) -> Move:
    """Compare what is on record with where the workspace lies."""
    root = str(here.root)
    others = [Path(one) for one in known.roots if one != root]
    is_noted = known.is_noted and (known.base, known.number) == (here.base, read_id(here.root))
    folders = {str(one): root for one in others}
    if _went_along(known, here):
        folders[known.base] = here.base
    before = others[0] if others else None
    copied = before is not None and is_copy_of(here.root, before, known.number)
    return Move(before, copied, Renaming(folders), is_noted and not folders)


def _went_along(known: Known, here: Here) -> bool:
    """Return whether the folder of the YAML file was moved or copied with the workspace, and the table in it."""
    stayed = here.data.startswith(f"{known.base}/") and not here.data.startswith(f"{here.base}/")
    if not known.base or not known.roots or known.base == here.base or stayed:
        return False
    before, now = Path(known.roots[0]), here.root
    parts = [(Path(base), root) for base, root in ((known.base, before), (here.base, now))]
    inside = [root.relative_to(base) if root.is_relative_to(base) else None for base, root in parts]
    above = [base.relative_to(root) if base.is_relative_to(root) else None for base, root in parts]
    beside = [root.name if root.parent == base.parent else None for base, root in parts]
    return any(one[0] is not None and one[0] == one[1] for one in (inside, above, beside))


def known_in(database: Path, pipeline: str) -> Known:
    """Read a workspace's own store; it is not changed."""
    with closing(_opened(database, "ro")) as store:
        if noted := _noted(store, pipeline):
            return Known(noted.get(ID, ""), (noted[ROOT],), noted.get(BASE, ""), is_noted=True)
        runs = store.execute(
            "SELECT name, string_value FROM ContextProperty WHERE name IN ('workspace', 'config_file')"
            " AND context_id = (SELECT max(context_id) FROM ContextProperty WHERE name = 'workspace')"
        )
        last = dict(runs.fetchall())
        number, _, root = last.get("workspace", "").partition(" ")
        roots = [root] if root else []
        for (uri,) in store.execute("SELECT uri FROM Artifact ORDER BY id DESC"):
            if is_local(uri or "") and (made := _OUTPUT.fullmatch(uri)):
                roots.append(made[1])
        config_file = last.get("config_file", "")
        return Known(number, tuple(dict.fromkeys(roots)), str(Path(config_file).parent) if config_file else "")


def _noted(store: sqlite3.Connection, pipeline: str) -> dict[str, str]:
    rows = store.execute(
        "SELECT c.name, p.name, p.string_value FROM ContextProperty p JOIN Context c ON c.id = p.context_id"
        " JOIN Type t ON t.id = c.type_id WHERE t.name = 'pipeline' AND p.name IN (?, ?, ?)",
        (ID, ROOT, BASE),
    ).fetchall()
    of_all = {name: value for _, name, value in rows if name != BASE}
    noted = of_all | {name: value for of, name, value in rows if of == pipeline}
    return noted if ROOT in noted else {}


def rename(database: Path, names: Renaming, pipeline: str, noted: Mapping[str, str], first: Mapping[str, str]) -> None:
    """Replace folders in all records of a workspace's own store, in one transaction.

    Args:
        noted: custom properties for the pipeline's context, and but for the folder of the YAML file for those of other
            pipelines.
        first: those that stay as they are where they are noted already.
    """
    with closing(_opened(database, "rw")) as store:
        store.create_function("renamed", 1, names, deterministic=True)
        store.execute("BEGIN IMMEDIATE")
        for table, column in _COLUMNS.items():
            if not names:
                break
            some = " OR ".join([f"instr({column}, ?)"] * len(names.spellings))
            kept = "" if table == "Artifact" else f" AND name NOT IN ('{FIRST_ROOT}', '{FIRST_BASE}')"
            store.execute(f"UPDATE {table} SET {column} = renamed({column}) WHERE ({some}){kept}", names.spellings)
        for verb, values in (("REPLACE", noted), ("IGNORE", first)):
            for name, value in values.items():
                store.execute(
                    f"INSERT OR {verb} INTO ContextProperty (context_id, name, is_custom_property, string_value)"
                    " SELECT c.id, ?, 1, ? FROM Context c JOIN Type t ON t.id = c.type_id"
                    " WHERE t.name = 'pipeline' AND (c.name = ? OR ?)",
                    (name, value, pipeline, name not in (BASE, FIRST_BASE)),
                )
        store.execute("COMMIT")


def count_moved(database: Path, names: Renaming) -> int:
    """Count the artifacts whose folders would be called otherwise."""
    with closing(_opened(database, "ro")) as store:
        uris = store.execute("SELECT uri FROM Artifact WHERE uri IS NOT NULL")
        return sum(names(uri) != uri for (uri,) in uris)


def _opened(database: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode={mode}", uri=True, timeout=60, isolation_level=None)
