"""Schedules, samplers and guidance, for any network that predicts the clean value."""
