"""Scores of labelled clips: tables, metrics, fusion weights, calibration."""
