"""What we claim in numbers, as commands anyone can run; see README.md in this folder."""
