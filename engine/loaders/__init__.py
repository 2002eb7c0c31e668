"""Builds nets from verified weights: one module per architecture.

Imports nets, catalogue and weights.
"""
