"""The logic of the service. Pure: no I/O, no clock, no environment, no logger.

The `store.py` of each package is its port: the operations that the package needs from outside, with their guarantees.
Every method that changes something once is *one* conditional write. Every expiry is checked against `now` on read: an
item whose time has passed is absent, whether or not the store has swept it. A store that cannot answer raises
`ServiceError(Errors.UNAVAILABLE)`, and then the whole change has happened, or none of it.
"""
