"""How long each stage takes on this machine, against size, length and threads.

:mod:`.stages` measures one case, :mod:`.report` runs many and shows them.
"""
