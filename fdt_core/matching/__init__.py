"""From a template and a budget to the widths of a network; and the figures that the paper prints."""
