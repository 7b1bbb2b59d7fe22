"""How good the optimisers are, measured before and after tuning."""
