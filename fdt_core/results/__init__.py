"""The results store: Parquet tables (trials, epochs, profiles, decisions) with one writer and any number of readers."""
