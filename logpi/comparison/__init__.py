"""Comparison of methods over environments and seeds: statistics, what runs say, figures and pages.

Nothing here trains, and importing it imports no JAX.
"""
