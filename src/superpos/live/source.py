"""Where the instrument is: `SOURCE`, a JavaScript module that stands by itself."""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).with_name("instrument.js")
