"""How good the optimisers are: measured before anything is tuned, and after."""
