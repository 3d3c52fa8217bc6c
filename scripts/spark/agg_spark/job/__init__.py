"""The stages joined: `reduce_day` and `emit_window`, each readable from top to bottom."""
