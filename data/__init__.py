"""Input pipeline: readers of the datasets' official layouts, clips, mixture, batches. Imports no JAX."""
