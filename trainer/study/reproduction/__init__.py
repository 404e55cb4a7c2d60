"""Every figure and table of the text, made again: what is run, and our numbers beside others'."""
