"""Files of images as they were published or as users keep them, before they are prepared."""
