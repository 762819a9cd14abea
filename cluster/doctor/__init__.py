"""Checks that find what goes wrong in practice before a sweep does."""
