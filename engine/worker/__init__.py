"""The engine process: event loop, admission, step scheduler, job states, previews.

Imports methods, upscalers, runtime and protocol.
"""
