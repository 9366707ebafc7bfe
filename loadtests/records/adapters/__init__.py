"""Systems that are not ours, each described by a small TOML file: how to listen there, how to publish."""
