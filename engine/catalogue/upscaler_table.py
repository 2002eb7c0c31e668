"""Upscalers, all read by spandrel, which recognises their nets by the names of their tensors. No torch.

Neither project publishes hashes; these are the ones that several programs have recorded and check.
"""

from __future__ import annotations

from engine.catalogue.entry import Entry, Kind
from engine.catalogue.licences import REAL_ESRGAN, SWINIR

_ESRGAN = "https://github.com/xinntao/Real-ESRGAN/releases/download"
_SWINIR = "https://github.com/JingyunLiang/SwinIR/releases/download/v0.0"


def _upscaler(name: str, title: str, url: str, sha256: str, size: int, licence: str) -> Entry:
    return Entry(
        name=name,
        kind=Kind.UPSCALER,
        title=title,
        file=url.rpartition("/")[2],
        licence=licence,
        sources=(url,),
        sha256=sha256,
        size=size,
        exact=True,
    )


UPSCALERS = (
    _upscaler(
        "realesrgan-x4plus",
        "Real-ESRGAN ×4, photographs and paintings",
        f"{_ESRGAN}/v0.1.0/RealESRGAN_x4plus.pth",
        "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        67_040_989,
        REAL_ESRGAN,
    ),
    _upscaler(
        "realesrgan-x2plus",
        "Real-ESRGAN ×2, photographs and paintings",
        f"{_ESRGAN}/v0.2.1/RealESRGAN_x2plus.pth",
        "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
        67_061_725,
        REAL_ESRGAN,
    ),
    _upscaler(
        "realesrgan-anime",
        "Real-ESRGAN ×4, drawings",
        f"{_ESRGAN}/v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth",
        "f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da",
        17_938_799,
        REAL_ESRGAN,
    ),
    _upscaler(
        "realesr-general",
        "Real-ESRGAN ×4, small and fast",
        f"{_ESRGAN}/v0.2.5.0/realesr-general-x4v3.pth",
        "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
        4_885_111,
        REAL_ESRGAN,
    ),
    _upscaler(
        "swinir-m",
        "SwinIR-M ×4, real-world pictures",
        f"{_SWINIR}/003_realSR_BSRGAN_DFO_s64w8_SwinIR-M_x4_GAN.pth",
        "b9afb61e65e04eb7f8aba5095d070bbe9af28df76acd0c9405aeb33b814bcfc6",
        67_129_861,
        SWINIR,
    ),
    _upscaler(
        "swinir-l",
        "SwinIR-L ×4, real-world pictures",
        f"{_SWINIR}/003_realSR_BSRGAN_DFOWMFC_s64w8_SwinIR-L_x4_GAN.pth",
        "99adfa91350a84c99e946c1eb3d8fce34bc28f57d807b09dc8fe40a316328c0a",
        142_473_939,
        SWINIR,
    ),
)
