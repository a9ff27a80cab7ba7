"""Pages of your own, as a customer's Django app has them: copy this folder to begin with."""
