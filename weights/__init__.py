"""The converted weights, shipped as package data of `jaxdedup.weights`; see SOURCES.md."""
