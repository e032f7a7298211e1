"""What derivation, cost and code say of the same quantities, put together."""
