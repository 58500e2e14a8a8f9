"""TarViS in JAX: one model for video instance, panoptic, object and exemplar-guided segmentation."""

__version__ = "0.1.0"
