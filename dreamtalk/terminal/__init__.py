"""The command and the system around it: standard streams, signals."""
