"""One reader for each published layout of a data set."""
