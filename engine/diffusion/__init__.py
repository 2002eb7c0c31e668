"""Mathematics of diffusion: schedules, respacing, samplers. Networks are passed in as callables.

Imports images.tensors and errors only.
"""
