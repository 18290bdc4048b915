"""How landmarks and the head move the picture, and where its pixels come from in turn."""
