"""`python -m engine search FOLDER "child's drawing"`: find pictures in a folder by text or by example."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from PIL import Image

from engine.cli._dream.order import unused
from engine.cli._pictures import SEEN
from engine.cli.console import (
    Bar,
    Device,
    calm_torch,
    check_writable,
    echo_json,
    print_note,
    printable,
    write_file,
)
from engine.errors import DreamError, InvalidRequest, UnreadablePicture
from engine.images.index import Album, Found, IndexedImage
from engine.images.opening import NAMES, OWN_BYTES, open_reduced, read_file
from engine.images.pictures import contact_sheet, to_png, within
from engine.perceptors.judge_choice import choose_grader
from engine.requests.prompts import Prompt, parse_prompts

if TYPE_CHECKING:
    from engine.guidance.clip_score import Judge, PromptVectors

TOGETHER = 128
"""Pictures that are embedded and stored at a time; an interruption loses at most these."""
CELL = 256
SHOWN = 5
"""Unreadable files that are listed by name."""
WORDS = typer.Argument(help="A prompt, with parts and weights.", show_default=False)
LIKE = typer.Option(help="A picture to resemble; repeatable, with or without words.", show_default=False)
PERCEPTOR = typer.Option(
    help="primer-grader, an OpenAI or open_clip name (ViT-B/32), or a file.", show_default="the best CLIP here"
)
OUT = typer.Option(help="A PNG for the sheet.", show_default="search-WORDS.png")
CACHE = typer.Option(help="Where to remember how pictures look.", show_default="FOLDER/.dreambot")


def search(
    folder: Annotated[Path, typer.Argument(help="Searched with its subfolders.", show_default=False)],
    words: Annotated[str, WORDS] = "",
    like: Annotated[list[Path] | None, LIKE] = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Number of results.")] = 20,
    perceptor: Annotated[str, PERCEPTOR] = "",
    out: Annotated[Path | None, OUT] = None,
    cache: Annotated[Path | None, CACHE] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    device: Device = "auto",
) -> None:
    """Find the pictures in FOLDER that match WORDS best, and draw them on one sheet.

    The embeddings are stored, so later searches only embed new pictures. Each line is a cosine, at most 1.
    """
    prompts, pictures = _parts(words, like or [])
    place = _sheet_name(out, words, like or [])
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder of pictures.")
    check_writable(place)
    name, note = (perceptor, "") if perceptor else choose_grader([])
    with Bar("Starting") as bar:
        calm_torch()
        from engine.guidance.clip_score import Judge
        from engine.runtime.runtime import Runtime

        judge = Judge(name, Runtime.open(device))
        query = judge.embed_prompts(prompts, pictures)
        with Album(folder, judge.key, judge.dim, cache) as album:
            unread = look_at(album, judge, bar)
            found = _others(album, query, count, like or [])
            looked, problems, mended = len(album), {**album.problems, **unread}, album.mended
    if not found:
        nothing = f"No other readable pictures in {folder} ({NAMES} or HEIC)."
        raise InvalidRequest(" ".join([nothing, *_reasons(problems)]))
    mends = "The index of this folder was damaged and has been rebuilt." if mended else ""
    notes = [text for text in (note, *query.notes, mends, _told(problems)) if text]
    place = out or unused(place)  # only now, because FOLDER may be the place of the sheet
    _draw(folder, found, place)
    if as_json:
        record = {
            "perceptor": judge.id,
            "pictures": looked,
            "found": [{"path": str(folder / one.path), "score": round(one.score, 5)} for one in found],
            "sheet": str(place),
            "problems": {str(folder / path): problem for path, problem in problems.items()},
            "notes": notes,
        }
        echo_json(record)
        return
    for one in found:
        typer.echo(f"{one.score:+.3f}  {printable(folder / one.path)}")
    typer.echo(printable(place))
    for text in notes:
        print_note(text)
    print_note(f"{len(found)} of {looked:,} pictures, scored by {judge.id}")


def look_at(album: Album, judge: Judge, bar: Bar) -> dict[Path, str]:
    """Embed the new pictures of the folder. Files that are no pictures are stored as such.

    Returns path → reason for files that could not be read; the next search tries them again.
    """
    news, unread = album.look(), dict[Path, str]()
    for start in range(0, len(news), TOGETHER):
        bar.count("Looking", start, len(news))
        entries, images, problems = list[IndexedImage](), list[Image.Image](), list[tuple[IndexedImage, str]]()
        for entry in news[start : start + TOGETHER]:
            try:
                if entry.size > OWN_BYTES:
                    raise UnreadablePicture(f"It is larger than {OWN_BYTES // 2**20} MB.")
                image = open_reduced(read_file(album.root / entry.path), SEEN)
            except UnreadablePicture as error:
                problems.append((entry, str(error)))
                continue
            except InvalidRequest as error:
                unread[entry.path] = str(error)
                continue
            images.append(image)
            entries.append(entry)
        album.remember(entries, judge.embed_images(images), problems)
    return unread


def _parts(words: str, like: Sequence[Path]) -> tuple[tuple[Prompt, ...], dict[str, Image.Image]]:
    """The query as prompts, and the pictures that they name, by SHA-256."""
    if not words.strip() and not like:
        raise InvalidRequest("Name what to search for: words, or a picture with --like.")
    files = {hashlib.sha256(data).hexdigest(): data for data in map(read_file, like)}
    prompts = (parse_prompts(words) if words.strip() else ()) + tuple(Prompt(image=sha) for sha in files)
    return prompts, {sha: open_reduced(data, SEEN) for sha, data in files.items()}


def _others(album: Album, query: PromptVectors, count: int, like: Sequence[Path]) -> list[Found]:
    """The nearest pictures without those of --like."""
    given = {path.resolve() for path in like}
    found = album.search(query.direction, count + len(given))
    return [one for one in found if (album.root / one.path).resolve() not in given][:count]


def _draw(folder: Path, found: Sequence[Found], place: Path) -> None:
    images, captions = list[Image.Image](), list[str]()
    for one in found:
        try:
            image = open_reduced(read_file(folder / one.path), CELL)
        except DreamError:  # deleted since the index was updated
            image = Image.new("RGB", (CELL, CELL))
        images.append(within(image, CELL))
        captions.append(f"{one.score:.3f}  {printable(one.path.with_suffix(''))}")
    write_file(place, to_png(contact_sheet(images, captions)))


def _sheet_name(out: Path | None, words: str, like: Sequence[Path]) -> Path:
    if out is not None and out.suffix.lower() != ".png":
        raise InvalidRequest(f"The sheet is a PNG; --out must end in .png, not {out.name}.")
    named = re.sub(r"[^\w]+", "-", words.replace("'", "")).strip("-")[:40] or (like[0].stem if like else "")
    return out or Path(f"search-{named or 'sheet'}.png")


def _reasons(problems: Mapping[Path, str]) -> list[str]:
    """One line for each unreadable file, at most SHOWN, and the number of the others."""
    shown = [f"{printable(path)}: {problem}" for path, problem in list(problems.items())[:SHOWN]]
    return [*shown, *([f"And {len(problems) - SHOWN:,} more."] if len(problems) > SHOWN else [])]


def _told(problems: Mapping[Path, str]) -> str:
    """One sentence about the unreadable files, or an empty text."""
    if not problems:
        return ""
    names = [printable(path) for path in list(problems)[:SHOWN]]
    more = f" and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
    return f"Skipped unreadable files: {', '.join(names)}{more}."
