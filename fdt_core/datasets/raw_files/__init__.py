"""Image files as published or as users keep them, before preparation."""
