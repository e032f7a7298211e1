"""In: a Program. Out: what its tensors are called on paper, and the same Program with indices that read well."""
