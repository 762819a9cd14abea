"""What the functions of torch do to sizes, and what they cost."""
