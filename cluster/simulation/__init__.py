"""The decision core under a virtual clock: voters, providers, stores, clocks and load fail as histories say, or worse."""
