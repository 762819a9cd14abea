"""From Parquet to frames, statistics, tables, plots and the report. Imports neither torch nor Ray."""
