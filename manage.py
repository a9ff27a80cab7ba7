#!/usr/bin/env python
"""Runs a management command of the product."""

import sys

from django.core.management import execute_from_command_line

from config import env


def main() -> None:
    env.choose_settings()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
