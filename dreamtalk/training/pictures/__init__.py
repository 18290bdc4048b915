"""Training pictures: speaking frames of many people, each from one portrait.

A 3-D head with teeth, gums and tongue (ICT-FaceKit) is fitted to each portrait and takes its
texture from it; then any mouth shape can be drawn, with exact lip channels and landmarks.
"""
