"""`latchkey import` and `latchkey export`: move accounts in and out."""
