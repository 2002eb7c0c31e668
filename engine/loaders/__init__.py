"""Networks that are ready to use, built from weight files: one module per architecture.

    checkpoint           files of the package, which hold the flags of their network; networks without memory
    diffusion, vqgan, biggan, guidance_nets, upscaler   one kind of network each
    verify               whether a checkpoint holds the network that its entry claims
    torchvision_compat   lets a CUDA-built torchvision import beside a CPU-only torch

May import `engine.weights`, `engine.catalogue`, `engine.nets`, `engine.diffusion` and `engine.runtime`.
"""
