"""Unit tests of the package, on a Spark of this machine."""
