"""Any convolutional network by name: traced once, then sized, costed and rebuilt at any filters."""
