"""The operations of the API, in one module for each of its parts, as in the client."""
