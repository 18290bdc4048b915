"""MediaPipe's face landmarker in plain torch."""
