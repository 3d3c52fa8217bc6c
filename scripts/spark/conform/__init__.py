"""Holds the job on a real cluster of this machine against `agg`: see `scripts/spark/conformance`."""
