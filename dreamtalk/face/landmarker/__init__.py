"""A face landmarker in plain torch, with the weights of MediaPipe's ``face_landmarker.task``.

Three networks (:mod:`.detector`, :mod:`.mesh`, :mod:`.blendshapes`) and the graph around them
(:mod:`.landmarker`).
"""

from .landmarker import NUM_LANDMARKS, DetectedFace, FaceLandmarker

__all__ = ["NUM_LANDMARKS", "DetectedFace", "FaceLandmarker"]
