"""What a portrait is made of: the face geometry, the matte, the plate behind, the head."""
