"""The results store: three Parquet data sets (trials, epochs, profiles) with one writer and any number of readers."""
