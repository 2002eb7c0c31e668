"""The log of a run: a CSV file, TensorBoard where it is installed, Weights & Biases where a project is named."""

from __future__ import annotations

import csv
import importlib.util
import io
import logging
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.errors import InvalidRequest

log = logging.getLogger(__name__)

Row = Mapping[str, float]
FILE = "log.csv"


class Ledger:
    """Writes the rows of one run into *folder*. Raises InvalidRequest if wandb is wanted and not installed."""

    def __init__(
        self, folder: Path, step: int, *, project: str = "", name: str = "", config: Mapping[str, object] | None = None
    ) -> None:
        self.folder = folder
        self.note = ""
        """For the person who begins the run; empty if everything is logged."""
        self._board: Any = None
        self._wandb: Any = None
        if importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step or None)
        else:
            self.note = f"TensorBoard is not installed (extra “train”); the log is {folder / FILE}."
        if project:
            if not importlib.util.find_spec("wandb"):
                raise InvalidRequest("--wandb_project needs the package wandb: pip install 'dreambot[wandb]'.")
            import wandb

            self._wandb = wandb.init(
                project=project,
                name=name,
                id=self._wandb_id(),
                resume="allow",
                dir=str(folder),
                config=dict(config or {}),
            )

    def _wandb_id(self) -> str:
        """The same for every start of this run, so that a resumed run continues its curves."""
        path = self.folder / "wandb-id"
        if not path.exists():
            path.write_text(uuid.uuid4().hex[:8], encoding="utf-8")
        return path.read_text(encoding="utf-8")

    def row(self, step: int, row: Row) -> None:
        """Send one row on; `write` puts all of them into the file."""
        for key, value in row.items():
            self._tell_board("add_scalar", key, value, step)
        if self._wandb:
            self._wandb.log(dict(row), step=step)

    def grid(self, step: int, image: Image.Image) -> None:
        self._tell_board("add_image", "samples", np.asarray(image), step, dataformats="HWC")
        if self._wandb:
            import wandb

            self._wandb.log({"samples": wandb.Image(image)}, step=step)

    def write(self, rows: Sequence[Row]) -> None:
        """All rows so far into the CSV file, whole or not at all."""
        if not rows:
            return
        text = io.StringIO()
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(rows)
        part = self.folder / f".{FILE}.part"
        part.write_text(text.getvalue(), encoding="utf-8")
        part.replace(self.folder / FILE)
        self._tell_board("flush")

    def close(self) -> None:
        self._tell_board("close")
        if self._wandb:
            self._wandb.finish()

    def _tell_board(self, method: str, *values: object, **options: object) -> None:
        """Call TensorBoard's writer. Its thread's errors arrive here later: a full disk ends that log, not the run."""
        if self._board:
            try:
                getattr(self._board, method)(*values, **options)
            except OSError as error:
                log.warning("TensorBoard's log ends: %s", error)
                self._board = None
