"""Agents of board games as engines: UCI, USI and GTP, on standard input and output."""
