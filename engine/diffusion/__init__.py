"""Pure mathematics of diffusion: schedules, respacing, samplers. Takes any callable as the net, knows none."""
