"""One model of a review, and its faces."""
