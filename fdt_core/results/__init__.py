"""The results store: three Parquet tables (trials, epochs, profiles) with one writer and any number of readers."""
