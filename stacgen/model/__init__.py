"""Nouns that travel between the stages, and rules on them: frozen, typed, without I/O."""
