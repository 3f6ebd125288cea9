"""A few labelled clips -> a bundle fitted to their speakers and cameras."""
