"""Searches for settings: space, samplers, rungs, folder, and programs of many configurations side by side."""
