"""Folds and bulges that come and go with the expression."""
