"""The image that jobs and model servers run in: built, pushed, its digest recorded in the stack's artifact store."""

from ml_jobs.image.record import ImageRecord, resolve_image

__all__ = ["ImageRecord", "resolve_image"]
