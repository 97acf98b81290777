"""Attribution methods: which pixels of a picture a target responds to."""
