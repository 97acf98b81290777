"""filterkit's own panels: the parts of the pages of filters and kernels."""
