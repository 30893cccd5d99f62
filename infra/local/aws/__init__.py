"""AWS inside this process: moto, and what moto lacks (permissions, streams, log delivery, a file for the data)."""
