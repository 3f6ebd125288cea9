"""Machines on utterance features: support vector machines and ensembles."""
