"""The fair queue and its forecasts: virtual-time order, durations, throughput, ETA simulation.

Imports models only. Does no I/O.
"""
