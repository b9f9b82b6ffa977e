"""Readers of CSV, Parquet, TFRecord and BigQuery."""
