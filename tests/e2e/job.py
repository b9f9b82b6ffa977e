"""A project folder whose job runs for a year, and what happens to it."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.config.loading import load
from pipeline.lineage.runs import Run, find_run
from pipeline.lineage.store import open_store
from tests.e2e.servers import PASSWORD, PostgreSQL
from tests.place import Outcome
from tests.receiver import Receiver
from tests.zygote import Zygote

CONFIG = "sales.yaml"
WAITED = {"6h": "1s"}
"""The one thing that a test does otherwise than the recipes: it does not wait so long."""


@dataclass
class Job:
    """A project folder, what arrives there, and who calls the commands.

    Attributes:
        disk: that the folder lies on, small enough to be filled; None where none can be mounted.
        faults: of tests/faults/faults.py, that the next command meets.
    """

    folder: Path
    tools: Path
    longhaul: Zygote
    receiver: Receiver
    server: PostgreSQL | None
    disk: Path | None
    faults: list[list[Any]] = field(default_factory=list)

    def arrives(self, month: str, *, seed: int = 0, rows: int = 300, **how: Any) -> None:
        """A month's table: `price` tells what is sold; `how` says what is wrong with it."""
        draw = random.Random(f"{month} {seed}")
        lines = ["price,kind,sold"]
        for place in range(rows):
            price = draw.gauss(10, 3)
            sold = price < draw.gauss(10, 1)
            kind = "purple" if how.get("purple") and place % 10 == 0 else draw.choice(("red", "green"))
            lines.append(f"{price + how.get('dearer', 0):.4f},{kind},{int(sold is not how.get('flipped', False))}")
        file = self.folder / "data" / month / "sales.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")

    def call(self, command: str) -> Outcome:
        """A line of the table. The places that the pages name are folders of the test."""
        places = {"/srv/sales": self.folder, "/backups/sales": self.tools.parent / "backups"}
        for name, folder in places.items():
            command = command.replace(name, str(folder))
        words = [WAITED.get(word, word) for word in shlex.split(command)]
        if words[0] == "longhaul":
            os.chdir(self.folder)
            url = self.server.url if self.server else ""
            faults, self.faults = [["set_environment", "LONGHAUL_METADATA_PASSWORD", PASSWORD], *self.faults], []
            called = self.longhaul(*(url if "://" in word else word for word in words[1:]), faults=faults)
            return Outcome(128 - called.code, called.text) if called.code < 0 else called  # as a shell has it
        path = f"{self.tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", command], cwd="/", env=os.environ | {"PATH": path}, capture_output=True, text=True
        )
        return Outcome(done.returncode, done.stdout + done.stderr)

    def latest(self) -> Run:
        config = load(self.folder / CONFIG, workspace=str(self.folder / "workspace"))
        return find_run(open_store(config), config.name, "latest")

    def pinged(self) -> list[str]:
        """What the dead man's switch has heard since it was asked last."""
        heard = [urlsplit(taken.path).path.rpartition("/")[2] for taken in self.receiver.taken]
        self.receiver.taken.clear()
        return heard

    def disk_fills(self) -> None:
        """While a model is trained; it stays so until the next event."""
        self.arrives("2024-10")
        if self.disk:
            self.faults = [["fill_disk_at", "Trainer", str(self.disk), 0]]

    def disk_is_bigger(self) -> None:
        self.arrives("2024-08", seed=1)
        if self.disk:
            (self.disk / "ballast").unlink()

    def step_hangs(self) -> None:
        self.arrives("2024-12")
        self.faults = [["take_hours", "Evaluator", 3]]

    def process_is_killed(self) -> None:
        self.arrives("2025-01")
        self.faults = [["kill_at", "Trainer", "middle"]]

    def is_upgraded(self) -> None:
        """The records were written before they had a number."""
        config = load(self.folder / CONFIG, workspace=str(self.folder / "workspace"))
        store = open_store(config)
        context = store.get_context_by_type_and_name("pipeline", config.name)
        context.custom_properties["records_version"].int_value = 0
        store.put_contexts([context])

    def is_replaced(self) -> None:
        """Nothing is left of the old machine, and on the new one the project lies elsewhere."""
        os.chdir("/")
        shutil.rmtree(self.folder)
        self.folder = self.folder.parent / "elsewhere" / "sales"

    def server_goes(self) -> None:
        self.arrives("2025-02")
        assert self.server
        self.server.stop()

    def server_comes(self) -> None:
        assert self.server
        self.server.start()

    def people_decide(self) -> None:
        self.arrives("2025-03")
        file = self.folder / CONFIG
        file.write_text(file.read_text() + "push: {approval: manual}\n")
