"""What is drawn: style, drawings, animations, explorers."""

from superpos.errors import need

need("plot", "matplotlib", "networkx")
