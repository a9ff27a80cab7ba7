"""Below the door: libcurl, and what it is told. Only ``outbound`` comes in here.

through_requests → curl → wire (what is written, read and recorded) → addresses, errors, timings.
"""
