"""Training tasks of the primer's models: CLIP, diffusion, classifier, VQGAN, upscaler."""
