"""The device: dtype, threads, memory, compiled steps and the cache of loaded models."""
