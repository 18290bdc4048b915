"""The starter's corpus: speech from free engines with known phoneme times, and motion by rule."""
