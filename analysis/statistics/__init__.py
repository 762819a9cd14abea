"""Statistics for few seeds: paired differences, ranks over data sets, and how many seeds would be needed."""
