"""Reads weight files without running code: safetensors, restricted unpickling, conversion."""
