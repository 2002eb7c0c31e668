"""OpenAI's nine CLIPs. The hash is a part of the address; the files are TorchScript archives. No torch."""

from __future__ import annotations

from pathlib import Path

from engine.catalogue.entry import Entry, Kind
from engine.catalogue.licences import OPENAI_CLIP
from engine.errors import WeightsError

_BASE = "https://openaipublic.azureedge.net/clip/models"


def _clip(name: str, file: str, sha256: str, size: int, exact: bool = False) -> Entry:
    return Entry(
        name=name,
        kind=Kind.CLIP,
        title=f"CLIP {name}",
        file=file,
        licence=OPENAI_CLIP,
        sources=(f"{_BASE}/{sha256}/{file}",),
        sha256=sha256,
        size=size,
        exact=exact,
    )


CLIPS = (
    _clip(
        "ViT-B/32",
        "ViT-B-32.pt",
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
        353_976_522,
        exact=True,
    ),
    _clip(
        "ViT-B/16",
        "ViT-B-16.pt",
        "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
        350_000_000,
    ),
    _clip(
        "ViT-L/14",
        "ViT-L-14.pt",
        "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
        930_000_000,
    ),
    _clip(
        "ViT-L/14@336px",
        "ViT-L-14-336px.pt",
        "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
        930_000_000,
    ),
    _clip("RN50", "RN50.pt", "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762", 250_000_000),
    _clip("RN101", "RN101.pt", "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599", 290_000_000),
    _clip("RN50x4", "RN50x4.pt", "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd", 420_000_000),
    _clip("RN50x16", "RN50x16.pt", "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa", 660_000_000),
    _clip("RN50x64", "RN50x64.pt", "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c", 1_320_000_000),
)


def clip_named(name: str) -> Entry | None:
    """OpenAI's CLIP of that name (“ViT-B/32”, “ViT-B-32”, “ViT-L-14-336”); None if it is none of the nine."""
    return next((entry for entry in CLIPS if plain(entry.name) == plain(name)), None)


def plain(name: str) -> str:
    """OpenAI's name as open_clip spells it: “ViT-L/14@336px” → “ViT-L-14-336”."""
    return name.replace("/", "-").replace("@", "-").removesuffix("px")


def clip_of_hash(path: Path, sha256: str) -> Entry:
    """Which of the nine a file is. Raises WeightsError if it is none of them."""
    found = next((entry for entry in CLIPS if entry.sha256 == sha256), None)
    if found is None:
        raise WeightsError(f"“{path.name}” is none of OpenAI's nine CLIP files: its SHA-256 is {sha256}.")
    return found
