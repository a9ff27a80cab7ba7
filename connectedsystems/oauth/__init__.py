"""OAuth 2.0 as a client: plain values in, plain values out; no models, no settings, no Django."""
