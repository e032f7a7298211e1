"""What symbp is timed against: the same networks in PyTorch, and in NumPy by hand, plainly and with all tricks.

Each module has `begin(net) -> Step`. These are the only backward passes in this repository that somebody wrote down.
"""
