"""AWS inside this process: moto and what it lacks."""
