"""OAuth clients, their API keys and their redirect addresses."""
