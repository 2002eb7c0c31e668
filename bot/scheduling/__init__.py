"""The fair queue and its forecasts: virtual-time order, durations, throughput, ETA simulation.

Imports models only. Pure computation without I/O.
"""
