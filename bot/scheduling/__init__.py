"""The fair queue, the choice of a worker, a throughput model of the engine, and forecasts of start and end times.

Imports models and the engine's messages only. Does no I/O.
"""
