"""The shell that lets candidates run and hands what they did to the core."""
