"""What is drawn: style, drawings, animations, explorers."""
