"""The one way to train: procedures, objectives, descent, results; while a setting drifts."""
