"""Mail: the outbox, the codes in mails, and the mailroom that sends them."""
