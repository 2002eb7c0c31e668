"""The networks of v-diffusion-pytorch (Crowson 2021): `flags` describes one without torch, `net` builds it."""
