"""Submitting jobs through submitit."""
