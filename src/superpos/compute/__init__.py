"""Sweeps, where they are computed and stored, and what a result depends on."""
