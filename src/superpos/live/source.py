"""Where the scripts are: `SOURCE`, a module that stands by itself, and `VIEWS`, which uses it."""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).with_name("instrument.js")
"""The instrument, a JavaScript module without dependencies."""

VIEWS = Path(__file__).with_name("views.js")
"""The views that pages add to it: zones, the phase diagram, the ladder."""
