"""Showing: a Program, or the derivation of its gradients, as LaTeX and as plain text. Entry: `show.derivation.derivation`."""
