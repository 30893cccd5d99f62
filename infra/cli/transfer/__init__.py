"""`latchkey import` and `latchkey export`: moving accounts in and out."""
