"""Samples in, frames out: a face that talks while the speech is still being said.

``talker.Talker`` (also ``dreamtalk.Talker``) and ``stream.MotionStream`` are the library,
``server`` is ``dreamtalk serve``, ``idle`` the loop of ``dreamtalk idle``. Nothing is imported
here: the command's parser comes by, and has no use for torch.
"""
