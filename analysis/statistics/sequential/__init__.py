"""Looks at comparisons while their seeds come in (group sequential methods)."""
