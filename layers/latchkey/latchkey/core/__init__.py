"""What the service does. Pure: no I/O, no clock, no environment, no logger.

The `store.py` of each package is its port: what the package needs from outside, stated as guarantees. Every method that
changes something once is *one* conditional write. Every expiry is checked against `now` on read: an item whose time has
passed is absent, whether or not the store has swept it. A store that cannot answer raises
`ServiceError(Errors.UNAVAILABLE)`, and then the whole change has happened, or none of it.
"""
