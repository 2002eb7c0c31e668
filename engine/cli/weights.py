"""`python -m engine weights list|download|verify|remove|path`: manage checkpoints. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from engine.catalogue.registry import Entry, entries, find_entry
from engine.cli.console import WRONG, Bar
from engine.errors import DreamError, InvalidRequest
from engine.weights.store.download import Download
from engine.weights.store.folder import Folder, is_there, weights_folder
from engine.weights.store.hashed_file import HashedFile

weights = typer.Typer(
    help="Published checkpoints and your own: list, download, verify, remove, path.", no_args_is_help=True
)
out = Console(highlight=False, emoji=False, soft_wrap=True)

Names = Annotated[list[str], typer.Argument(metavar="NAME…", help="A name shown by `list`, or a file name.")]
Trust = Annotated[bool, typer.Option("--trust", help="Accept a file without a published hash, and pin its hash.")]


@weights.callback()
def about() -> None:
    """Published checkpoints, and your own from config.toml: list, download, verify, remove, path."""


@weights.command(name="list")
def show(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME…]", help="Show all details of these.")] = None,
) -> None:
    """List all checkpoints and whether they are installed. With names: their sources and licences."""
    folder = weights_folder()
    if names:
        for entry in map(find_entry, names):
            _describe(entry, folder)
        return
    table = Table("", "kind", "", "size", "installed", box=None, header_style="dim", pad_edge=False)
    for entry in entries().values():
        size = f"{max(entry.size / 1e6, 1):,.0f} MB" if entry.size else ""
        table.add_row(
            f"[bold]{escape(entry.name)}[/bold]", entry.kind.value, escape(entry.title), size, _state(entry, folder)
        )
    Console(highlight=False, emoji=False).print(table)
    out.print(f"[dim]Folder: {escape(str(folder.root))}[/dim]")


@weights.command()
def download(
    names: Names,
    trust: Trust = False,
    source: Annotated[str, typer.Option("--from", metavar="ADDRESS", help="Download from this URL instead.")] = "",
) -> None:
    """Download checkpoints and check their hashes. An interrupted download is resumed."""
    wanted = [find_entry(name) for name in names]
    if source and len(wanted) > 1:
        raise InvalidRequest("--from is the URL of one file. Download one checkpoint at a time with it.")
    folder = weights_folder()
    for entry in wanted:
        if folder.find(entry) and folder.expected(entry):
            with _hashing(entry, folder) as advance, folder.open(entry, advance):
                out.print(f"{escape(entry.name)} is already installed; its hash is correct.")
            continue
        out.print(
            f"[bold]{escape(entry.name)}[/bold]  {escape(entry.title)}\n[dim]Licence: {escape(entry.licence)}[/dim]"
        )
        with _bar(entry.name) as bar:
            pin = Download(folder, partial(bar.count, entry.name)).fetch(
                entry, sources=(source,) if source else (), trust=trust, check=_check_contents
            )
        out.print(f"{escape(str(folder.file(entry)))}  {pin.size / 1e6:,.1f} MB, SHA-256 {pin.sha256}")


@weights.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME…]", help="All installed checkpoints if empty.")
    ] = None,
    trust: Trust = False,
) -> None:
    """Check the hashes of installed checkpoints. The exit status is 1 if one is wrong."""
    folder = weights_folder()
    wanted = [find_entry(name) for name in names] if names else [e for e in entries().values() if folder.find(e)]
    if not wanted:
        out.print(f"No checkpoints are installed in {escape(str(folder.root))} yet.")
    if sum(not _is_right(entry, folder, trust, bool(names)) for entry in wanted):
        raise typer.Exit(WRONG)


@weights.command()
def remove(names: Names) -> None:
    """Delete downloaded files, their conversions and their pinned hashes."""
    folder = weights_folder()
    for entry in map(find_entry, names):
        freed = folder.remove(entry)
        stays = f" {entry.file} is your own file and is kept." if entry.is_own else ""
        said = f"{freed / 1e6:,.1f} MB freed." if freed else "nothing to delete."
        out.print(f"{escape(entry.name)}: {said}{escape(stays)}")


@weights.command()
def path(name: Annotated[str, typer.Argument(help="A checkpoint; the folder if empty.")] = "") -> None:
    """Print the path of the weights folder, or of one checkpoint."""
    folder = weights_folder()
    print((folder.find(entry) or folder.file(entry)) if name and (entry := find_entry(name)) else folder.root)


def _is_right(entry: Entry, folder: Folder, trust: bool, named: bool) -> bool:
    """Check one file and print the result. *named*: `--trust` may replace the pin of a changed file."""
    try:
        if trust:
            folder.trust(entry, _check_contents, again=named)
        with _hashing(entry, folder) as advance, folder.open(entry, advance) as opened:
            note = "" if entry.sha256 and not entry.is_own else _check_contents(opened, entry)
            used = f"  [dim]{escape(note)}[/dim]" if note else ""
            out.print(f"[green]ok[/green]  {escape(entry.name)}  {escape(str(opened.path))}{used}")
    except DreamError as error:
        out.print(f"[red]wrong[/red]  {escape(str(error))}")
        return False
    return True


def _check_contents(opened: HashedFile, entry: Entry) -> str:
    """Describe the tensors that are used. Raises WeightsError for wrong contents or NaN."""
    from engine.loaders.verify import check_contents  # imports torch, which `list` does not need

    return check_contents(opened, entry)


def _describe(entry: Entry, folder: Folder) -> None:
    rows = {
        "kind": f"{entry.kind.value} of {entry.adapts}" if entry.adapts else entry.kind.value,
        "status": _state(entry, folder).replace("yes", "installed") or "not installed",
        "file": str(folder.find(entry) or folder.file(entry)),
        "size": _size(entry, folder),
        "SHA-256": entry.sha256 or folder.expected(entry) or "not published",
        "licence": entry.licence,
        "from": "\n".join(entry.sources) or entry.page or "your own file",
        "flags": " ".join(f"{key}={value}" for key, value in entry.flags.items()),
    }
    out.print(f"[bold]{escape(entry.name)}[/bold]  {escape(entry.title)}")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column()
    table.add_column(overflow="fold")
    for key, value in rows.items():
        if value:
            table.add_row(f"[dim]{key}[/dim]", escape(value) if key != "status" else value)
    out.print(table)


def _size(entry: Entry, folder: Folder) -> str:
    if entry.size:
        return f"{'' if entry.exact else 'about '}{entry.size:,} bytes"
    path = folder.find(entry)
    return f"{path.stat().st_size:,} bytes" if path else "unknown"


def _state(entry: Entry, folder: Folder) -> str:
    if folder.find(entry):
        return "[green]yes[/green]" if folder.expected(entry) else "[yellow]not trusted yet[/yellow]"
    part = folder.part(entry)
    return f"[yellow]{part.stat().st_size / 1e6:,.0f} MB downloaded[/yellow]" if is_there(part) else ""


@contextmanager
def _hashing(entry: Entry, folder: Folder) -> Iterator[Callable[[int], None]]:
    """Progress bar of hashing a file; advances by bytes."""
    found = folder.find(entry)
    with _bar(entry.name) as bar:
        bar.count(entry.name, 0, found.stat().st_size if found else None)
        yield lambda count: bar.advance(bar.only, count)


def _bar(name: str) -> Bar:
    return Bar(name, DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
