"""Motion by rule: phones, loudness, speaking style and emotion -> ``face`` channels."""
