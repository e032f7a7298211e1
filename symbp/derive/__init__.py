"""Differentiation: a Program in, a Program out, by one of three ways. `symbp.gradient` chooses among them."""
