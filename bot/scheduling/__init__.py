"""The fair queue, a throughput model of the engine, and forecasts of start and end times.

Imports models only. Does no I/O.
"""
