"""Feature visualization: optimize pictures that maximize the responses of filters."""
