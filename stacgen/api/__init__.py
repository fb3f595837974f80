"""The public calls: each wires parts and uses together."""
