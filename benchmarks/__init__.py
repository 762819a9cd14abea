"""Benchmarks. Run each as `python -m benchmarks.NAME`; its last line is one JSON object."""
