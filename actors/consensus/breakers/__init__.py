"""Circuit breakers, retry budgets, hedges: who is not asked now, who may be asked again, and when a second one is."""
