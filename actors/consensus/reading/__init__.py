"""Reading answers: what kind of answer a question wants, and the normal form two answers are compared by."""
