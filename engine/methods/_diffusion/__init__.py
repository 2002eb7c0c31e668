"""Parts of `clip_diffusion`: state, step, phases of a timeline, text conditioning, start."""
