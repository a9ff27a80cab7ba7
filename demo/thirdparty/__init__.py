"""Acme CRM, the other system of the demo: an OAuth 2.0 server and API beside the product."""
