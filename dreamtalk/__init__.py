"""DreamTalk and DiffTalk talking heads as a plain PyTorch library.

The data's way through the package is straight: speech -> features -> motion -> frames.
Nothing here imports ComfyUI; ``nodes/`` does, and is a thin surface over this package.
"""

__version__ = "0.1.0"
