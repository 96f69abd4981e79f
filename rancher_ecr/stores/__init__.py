"""Where orchestrators keep registry logins. Importing this package loads none of the adapters."""
