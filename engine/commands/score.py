"""`python -m engine score picture.png "a red circle"`: how well a picture fits words, as a CLIP sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from engine.commands.console import Device, calm_torch, read_file
from engine.pictures import fit, open_picture
from engine.prompts import parse_prompts

PERCEPTOR = typer.Option(help="primer, primer-grader, an OpenAI or open_clip name (ViT-B/32), or a file.")


def score(
    picture: Annotated[Path, typer.Argument(help="PNG, JPEG, WebP or GIF.", show_default=False)],
    prompt: Annotated[str, typer.Argument(help="Words, in parts with | where there are several.", show_default=False)],
    perceptor: Annotated[str, PERCEPTOR] = "primer-grader",
    as_json: Annotated[bool, typer.Option("--json", help="Print a record.")] = False,
    device: Device = "auto",
) -> None:
    """Judge PICTURE by PROMPT: the cosine between them, 1 is the most; each part by itself where there are several.

    A guide likes what it has guided, so the small model's pictures are judged by a grader that never guides.
    """
    prompts = parse_prompts(prompt)
    image = open_picture(read_file(picture))
    calm_torch()
    import torch

    from engine.runtime import Runtime
    from engine.tensors import to_tensor

    torch.set_num_threads(1)
    runtime = Runtime(device)
    clip = runtime.perceptor(perceptor)
    with torch.no_grad():
        seen = clip.encode_image(to_tensor(fit(image, clip.size, clip.size))[None].to(runtime.device))[0]
    vectors = clip.encode_text([part.text for part in prompts])
    parts = {part.text: round(float(seen @ vector), 5) for part, vector in zip(prompts, vectors, strict=True)}
    weights = torch.tensor([max(part.weight, 0.0) for part in prompts]).to(vectors)
    total = round(float(seen @ torch.nn.functional.normalize(weights @ vectors, dim=-1)), 5)
    if as_json:
        typer.echo(json.dumps({"score": total, "parts": parts, "perceptor": clip.id}, ensure_ascii=False, indent=2))
        return
    typer.echo(f"{total:.3f}")
    if len(parts) > 1:
        for text, value in parts.items():
            typer.echo(f"  {value:+.3f}  {text}")
