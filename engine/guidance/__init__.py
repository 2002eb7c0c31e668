"""CLIP guidance: perceptors, targets, cutouts, losses, and the gradient that leans a denoiser towards the prompts.

Imports diffusion, loaders, nets, runtime, images, requests and catalogue.
"""
