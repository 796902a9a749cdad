"""Health: what is measured of the machine and of the voters, what will soon run out, and what is done about it."""
