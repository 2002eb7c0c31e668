"""CLIP guidance: targets, cutouts and their augmentation, losses, and the gradient that guides a denoiser.

Imports perceptors, diffusion, loaders, nets, runtime, images, requests and catalogue.
"""
