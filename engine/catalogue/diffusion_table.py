"""Diffusion checkpoints of 2021 and 2022 that others were tuned from, and the secondary net. No torch.

Hashes: as Disco Diffusion and discoart publish them; that of the bedrooms is from entmike's Disco, which checked it.
"""

from __future__ import annotations

from engine.catalogue.diffusion_nets import IMAGENET_64, IMAGENET_128, IMAGENET_256, IMAGENET_512, LSUN
from engine.catalogue.entry import Entry, Kind
from engine.catalogue.licences import CLIP_DIFFUSION_ART, OF_IMAGENET, OPENAI_BEDROOMS, OPENAI_DIFFUSION, SECONDARY

_OPENAI = "https://openaipublic.blob.core.windows.net/diffusion"
_FACE = "https://huggingface.co"

BASE = (
    IMAGENET_256.entry(
        "imagenet-256",
        "ImageNet at 256 pixels",
        f"{_OPENAI}/jul-2021/256x256_diffusion_uncond.pt",
        "https://www.dropbox.com/s/9tqnqo930mpnpcn/256x256_diffusion_uncond.pt?dl=1",
        "https://ipfs.io/ipfs/QmRkZ4JBLHwpZqeAuULYeGzo3TZqfgnrg6bFvUXFneotP9?filename=256x256_diffusion_uncond.pt",
        sha256="a37c32fffd316cd494cf3f35b339936debdc1576dad13fe57c42399a5dbc78b1",
        licence=OPENAI_DIFFUSION,
    ),
    IMAGENET_512.entry(
        "imagenet-512",
        "ImageNet at 512 pixels",
        f"{_FACE}/lowlevelware/512x512_diffusion_unconditional_ImageNet/resolve/main/"
        "512x512_diffusion_uncond_finetune_008100.pt",
        "https://the-eye.eu/public/AI/models/512x512_diffusion_unconditional_ImageNet/"
        "512x512_diffusion_uncond_finetune_008100.pt",
        "https://ipfs.io/ipfs/QmYNhbgnjPRuprob6WiELb3egd8rZa2xTEYGzAfkLuaKJw"
        "?filename=512x512_diffusion_uncond_finetune_008100.pt",
        sha256="9c111ab89e214862b76e1fa6a1b3f1d329b1a88281885943d2cdbe357ad57648",
        licence=OF_IMAGENET,
    ),
    IMAGENET_128.entry(
        "imagenet-128",
        "ImageNet by class at 128 pixels",
        f"{_OPENAI}/jul-2021/128x128_diffusion.pt",
        licence=OPENAI_DIFFUSION,
    ),
    IMAGENET_64.entry(
        "imagenet-64",
        "ImageNet by class at 64 pixels",
        f"{_OPENAI}/jul-2021/64x64_diffusion.pt",
        licence=OPENAI_DIFFUSION,
    ),
    LSUN.entry(
        "bedrooms",
        "LSUN bedrooms",
        f"{_OPENAI}/march-2021/lsun_uncond_100M_1200K_bs128.pt",
        sha256="38e66420ba5c703df8ce78750721976e13442064b5df847b82f05ebc65120534",
        licence=OPENAI_BEDROOMS,
    ),
    LSUN.entry(
        "bedrooms-2400k",
        "LSUN bedrooms, trained for longer",
        f"{_OPENAI}/march-2021/lsun_uncond_100M_2400K_bs64.pt",
        licence=OPENAI_BEDROOMS,
    ),
    LSUN.entry(
        "clip-diffusion-art",
        "artworks in the public domain",
        "https://api.wandb.ai/files/sreevishnu-damodaran/clip_diffusion_art/29bag3br/256x256_clip_diffusion_art.pt",
        licence=CLIP_DIFFUSION_ART,
    ),
)

SECONDARY_MODEL = Entry(
    name="secondary",
    kind=Kind.SECONDARY,
    title="the small net that stands in for a large one while CLIP guides",
    file="secondary_model_imagenet_2.pth",
    licence=SECONDARY,
    sources=(
        f"{_FACE}/spaces/huggi/secondary_model_imagenet_2.pth/resolve/main/secondary_model_imagenet_2.pth",
        "https://the-eye.eu/public/AI/models/v-diffusion/secondary_model_imagenet_2.pth",
        "https://ipfs.pollinations.ai/ipfs/bafybeibaawhhk7fhyhvmm7x24zwwkeuocuizbqbcg5nqx64jq42j75rdiy/"
        "secondary_model_imagenet_2.pth",
        "https://ipfs.io/ipfs/QmX1VDNBAsAbupaLLkL2AxTQsxbFFYac8rqM9croNm3H9U?filename=secondary_model_imagenet_2.pth",
    ),
    sha256="983e3de6f95c88c81b2ca7ebb2c217933be1973b1ff058776b970f901584613a",
    size=55_400_000,
)
