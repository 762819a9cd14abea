"""Statistics for few seeds: paired differences, ranks over data sets, and the number of seeds needed."""
