"""Showing: a Program, or the derivation of its gradients, as LaTeX and as text. Start at `derivation.derivation`."""
