"""Evals: does the model still choose what it should?"""
