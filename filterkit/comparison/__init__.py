"""Filters held against filters: the nearest ones, the same ones. Arrays only; no catalog is known here."""
