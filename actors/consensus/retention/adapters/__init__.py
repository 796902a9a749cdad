"""The store of retained content, the thread that fills it, and running retained candidates again."""
