"""Searches for settings: space, samplers, rounds, folder, and programs of many configurations side by side."""
