"""Predicts the memory of a request on the meta device and picks the form that fits.

Imports methods, upscalers and runtime.
"""
