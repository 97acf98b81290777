"""The atlas: every kernel of a model in one picture that can be zoomed into, drawn tile by tile."""
