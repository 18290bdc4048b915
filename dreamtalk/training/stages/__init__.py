"""The stages of the starter's training, from a corpus folder to a weights file."""
