"""Answer quality: suites of tasks with tests, recordings of real voters, their scores."""
