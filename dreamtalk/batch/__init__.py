"""Many jobs: a table of portraits, recordings and options, done by processes here or by Ray.

:mod:`.rows` reads the table, :mod:`.jobs` makes checked jobs of it, :mod:`.pool` and
:mod:`.cluster` do them, :mod:`.report` remembers what is done; :mod:`.run` is all of it.
"""
