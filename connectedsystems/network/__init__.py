"""Below the door: from a checked address to a whole answer. Only ``outbound`` comes in here.

addresses → connecting → idle → exchange (→ content) → roundtrip, in reading order.
"""
