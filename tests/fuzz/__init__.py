"""Property-based tests: whatever comes in, it works or says what is wrong, in time and in bounds.

``make fuzz`` runs 10,000 cases of each property, ``make test`` a few.
"""
