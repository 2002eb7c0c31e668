"""CLIP guidance: targets, cutouts, losses, and the gradient that leans a denoiser towards the prompts.

Imports perceptors, diffusion, loaders, nets, runtime, images, requests and catalogue.
"""
