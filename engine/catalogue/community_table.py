"""What people tuned diffusion models to in 2022. No torch.

Hashes: as Disco Diffusion, discoart, progrockdiffusion and entmike's Disco publish them.
"""

from __future__ import annotations

from engine.catalogue.diffusion_nets import IMAGENET_512, LSUN, PORTRAIT, UKIYO_E
from engine.catalogue.licences import OF_IMAGENET

_FACE = "https://huggingface.co"

KALIYUGA = tuple(
    LSUN.entry(name, title, f"{_FACE}/KaliYuga/{stem}/resolve/main/{stem}.pt", sha256=sha256)
    for name, title, stem, sha256 in (
        (
            "pixel-art",
            "pixel art, expanded",
            "PADexpanded",
            "a73b40556634034bf43b5a716b531b46fb1ab890634d854f5bcbbef56838739a",
        ),
        (
            "pixel-art-hard",
            "pixel art, hard",
            "pixel_art_diffusion_hard_256",
            "be4a9de943ec06eef32c65a1008c60ad017723a4d35dc13169c66bb322234161",
        ),
        (
            "pixel-art-soft",
            "pixel art, soft",
            "pixel_art_diffusion_soft_256",
            "d321590e46b679bf6def1f1914b47c89e762c76f19ab3e3392c8ca07c791039c",
        ),
        (
            "pixel-art-4k",
            "pixel art, from 4000 pictures",
            "pixelartdiffusion4k",
            "a1ba4f13f6dabb72b1064f15d8ae504d98d6192ad343572cc416deda7cccac30",
        ),
        (
            "watercolor",
            "watercolours",
            "watercolordiffusion",
            "a3e6522f0c8f278f90788298d66383b11ac763dd5e0d62f8252c962c23950bd6",
        ),
        (
            "watercolor-2",
            "watercolours, second version",
            "watercolordiffusion_2",
            "49c281b6092c61c49b0f1f8da93af9b94be7e0c20c71e662e2aa26fee0e4b1a9",
        ),
        (
            "pulp-scifi",
            "pulp science fiction",
            "PulpSciFiDiffusion",
            "b79e62613b9f50b8a3173e5f61f0320c7dbb16efad42a92ec94d014f6e17337f",
        ),
    )
)

COMMUNITY = (
    PORTRAIT.entry(
        "portraits",
        "portraits",
        f"{_FACE}/felipe3dartist/portrait_generator_v001/resolve/main/portrait_generator_v001_ema_0.9999_1MM.pt",
        sha256="b7e8c747af880d4480b6707006f1ace000b058dd0eac5bb13558ba3752d9b5b9",
    ),
    PORTRAIT.entry(
        "portraits-1.5",
        "portraits, version 1.5",
        f"{_FACE}/WAS/portrait-diffusion/resolve/main/ema_0.9999_165000.pt",
        sha256="3bc39e28fd9690dafbbee83cc08d089a3640eca8ed4d14280c4a9d342c56fd7f",
        file="portrait_generator_v1.5_ema_0.9999_165000.pt",
        page=f"{_FACE}/felipe3dartist",
    ),
    LSUN.entry(
        "comics-faces",
        "faces from comics",
        "https://github.com/Sxela/DiscoDiffusion-Warp/releases/download/v0.1.0/"
        "256x256_openai_comics_faces_by_alex_spirin_084000.pt",
        sha256="f587fd6d2edb093701931e5083a13ab6b76b3f457b60efd1aa873d60ee3d6388",
    ),
    LSUN.entry(
        "comics-faces-2",
        "faces from comics, second version",
        "https://github.com/Sxela/DiscoDiffusion-Warp/releases/download/v0.1.1/"
        "256x256_openai_comics_faces_v2.by_alex_spirin_114k.pt",
        # discoart lists the first version's hash here; two files cannot share one, and progrockdiffusion has this.
        sha256="7bac93342ed8efb04160dbed754bce69581ec228ec302a60681156b9d64856e6",
    ),
    IMAGENET_512.entry(
        "handpainted-cg",
        "handpainted computer graphics",
        f"{_FACE}/Feiart/FeiArt-Handpainted-CG-Diffusion/resolve/main/FeiArt-Handpainted-CG-Diffusion.pt",
        sha256="85f95f0618f288476ffcec9f48160542ba626f655b3df963543388dcd059f86a",
        licence=OF_IMAGENET,
    ),
    UKIYO_E.entry(
        "ukiyo-e",
        "woodblock prints",
        f"{_FACE}/thegenerativegeneration/ukiyoe-diffusion-256/resolve/main/ukiyoe_diffusion_256_022000.pt",
        sha256="b0b9626fbc6c43ea7eb074134612381a794c5407abb4debc8ba6ccb37386e769",
    ),
    UKIYO_E.entry(
        "ukiyo-e-all",
        "woodblock prints, all of them",
        sha256="5f9af55461783619f25dcbf8953f028c0768108801860afe8c947428dee7a991",
        file="Ukiyo-e_Diffusion_All_V1.by_thegenerativegeneration.pt",
        page=f"{_FACE}/thegenerativegeneration",
    ),
    IMAGENET_512.entry(
        "isometric",
        "isometric views",
        f"{_FACE}/Revrart/IsometricDiffusionRevrart512px/resolve/main/IsometricDiffusionRevrart512px.pt",
        sha256="649bb7d10ea5170b71bc24adfb17f0305955fde38d2bb1bc5428c6d5baf9811c",
        licence=OF_IMAGENET,
    ),
)
