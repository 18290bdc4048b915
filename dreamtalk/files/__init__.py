"""Files on disk: written whole or not at all, and values as ``.npz``."""
